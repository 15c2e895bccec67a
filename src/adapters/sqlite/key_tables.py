"""The tables of keys, audit and spending, one step of the schema; imports nothing.

A key is a JSON record; when it was revoked stands beside it. Moments are µs since 1970, credits µ-credits, so that sums are exact.
"""

KEY_TABLES = """
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER,
    record TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE service_secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE audit (id TEXT PRIMARY KEY, at INTEGER NOT NULL, record TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX audit_by_time ON audit (at, id);
CREATE TABLE spending (
    job_id TEXT PRIMARY KEY,
    owner TEXT,
    day TEXT NOT NULL,
    credits INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX spending_by_day ON spending (day, owner, credits);
CREATE INDEX spending_open ON spending (made_at) WHERE settled = 0;
"""
