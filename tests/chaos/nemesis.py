"""Strikes at moments drawn from a seed, and writes down each blow; imports the standard library."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence

from chaos.blows import Blow

#: Does one thing to somebody; None when there was nobody to do it to.
Strike = Callable[[], Blow | None]


class Nemesis(threading.Thread):
    """Makes one of the strikes every `every_s`, give or take a quarter, until it made `most` or is stopped.

    They are dealt like cards, so that each has its turn.
    """

    def __init__(self, strikes: Sequence[Strike], *, rng: random.Random, every_s: float, most: int) -> None:
        super().__init__(name="nemesis", daemon=True)
        self.blows: list[Blow] = []
        self.failure: BaseException | None = None
        self._strikes = list(strikes)
        self._rng = random.Random(rng.random())
        self._every_s = every_s
        #: How many blows it makes.
        self.most = most
        self._ended = threading.Event()

    def run(self) -> None:
        """Strike until the number is reached."""
        cards: list[Strike] = []
        try:
            pause = self._every_s * self._rng.uniform(0.75, 1.25)
            while len(self.blows) < self.most and not self._ended.wait(pause):
                if not cards:
                    cards = self._rng.sample(self._strikes, len(self._strikes))
                blow = cards[-1]()
                if blow is not None:
                    cards.pop()
                    self.blows.append(blow)
                # Nobody fit to be struck: look again soon.
                pause = self._every_s * self._rng.uniform(0.75, 1.25) if blow is not None else 0.1
        except BaseException as error:  # noqa: BLE001  # told by `finish` in the scenario's own thread
            self.failure = error

    @property
    def progress(self) -> float:
        """The share of its blows that it has made."""
        return len(self.blows) / self.most if self.is_alive() else 1.0

    def stop(self) -> None:
        """Strike no more."""
        self._ended.set()

    def finish(self) -> list[Blow]:
        """Stop, and wait for the end of the blow under way; the blows in order. Raises what went wrong in the thread."""
        self.stop()
        self.join()
        if self.failure is not None:
            raise self.failure
        return self.blows
