"""Many rows into one table by few statements; imports stdlib. Everything here blocks.

Each statement gives the interpreter away, and waits for it again while the event loop has it: that costs more than a row.
"""

import sqlite3
from collections.abc import Sequence

#: Rows of one statement, so that there are few statements to remember, whatever the number of rows is.
_AT_ONCE = (16, 8, 4, 2, 1)


class Insert:
    """An INSERT of any number of rows, of values by the order of the columns.

    Where a row is refused, those before it stay: whoever inserts takes the whole transaction back, or a savepoint. Else
    SQLite would keep a journal of each statement, at whose beginning FTS5 writes out what it has, as at a savepoint.
    """

    def __init__(self, table: str, columns: Sequence[str]) -> None:
        row = f"({', '.join('?' for _ in columns)})"
        head = f"INSERT OR FAIL INTO {table} ({', '.join(columns)}) VALUES"
        #: The statement for so many rows.
        self.statements = {number: f"{head} {', '.join([row] * number)}" for number in _AT_ONCE}

    def run(self, connection: sqlite3.Connection, rows: Sequence[Sequence[object]]) -> int:
        """Insert the rows in their order; the place of the last, where the table counts places. There must be one."""
        done, last = 0, None
        for number, statement in self.statements.items():
            while len(rows) - done >= number:
                values = [value for row in rows[done : done + number] for value in row]
                last = connection.execute(statement, values).lastrowid
                done += number
        assert last is not None  # noqa: S101  # narrows for the type checker; an INSERT has one
        return last
