-- The store. Instants are nanoseconds since the Unix epoch; the least and the greatest stand for "ever" and "never". Days are counted from
-- 1970-01-01. Large tables lead with app_key. Text from outside is escaped where a database could not hold it.

-- +goose Up
-- +goose StatementBegin

CREATE TABLE meta (
  name  TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
  seq          INTEGER NOT NULL PRIMARY KEY,
  id           TEXT    NOT NULL UNIQUE,
  as_of        INTEGER NOT NULL,
  scheduled_at INTEGER,                      -- NULL: run by hand
  started_at   INTEGER NOT NULL,
  finished_at  INTEGER NOT NULL,
  status       TEXT    NOT NULL CHECK (status IN ('running', 'finished', 'failed')),
  error        TEXT    NOT NULL,
  baseline     INTEGER NOT NULL,
  started_by   TEXT    NOT NULL,
  summary      TEXT    NOT NULL              -- JSON
) STRICT;
CREATE UNIQUE INDEX runs_scheduled_at ON runs (scheduled_at) WHERE status <> 'failed';

CREATE TABLE rules (
  run     INTEGER NOT NULL PRIMARY KEY,
  from_at INTEGER NOT NULL,
  policy  TEXT    NOT NULL,                  -- digest
  rules   TEXT    NOT NULL                   -- JSON, the whole policy
) STRICT;

CREATE TABLE files (
  id     INTEGER NOT NULL PRIMARY KEY,
  kind   TEXT    NOT NULL,
  path   TEXT    NOT NULL,
  state  BLOB    NOT NULL,                   -- the reader's own; empty: read it again
  broken INTEGER NOT NULL,
  UNIQUE (kind, path)
) STRICT;

CREATE TABLE newest (
  kind   TEXT    NOT NULL,
  path   TEXT    NOT NULL,                   -- the source's pattern
  at     INTEGER NOT NULL,
  future TEXT    NOT NULL,                   -- JSON, instants
  PRIMARY KEY (kind, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE incidents (
  api     TEXT    NOT NULL,
  from_at INTEGER NOT NULL,
  to_at   INTEGER NOT NULL,
  file_id INTEGER NOT NULL,
  line    INTEGER NOT NULL,
  run     INTEGER NOT NULL
) STRICT;

CREATE TABLE apps (
  app_key     TEXT    NOT NULL PRIMARY KEY,
  name        TEXT,                          -- of the newest registry entry, as are the next three; NULL: there was none
  vendor_id   TEXT,
  vendor_name TEXT,
  listed      INTEGER,
  entry       TEXT,                          -- digest of the registry line that it was last read from
  blind       INTEGER NOT NULL,
  states_at   INTEGER NOT NULL,
  approvals   TEXT,                          -- JSON
  answers     BLOB
) STRICT;

CREATE TABLE app_versions (
  app_key TEXT    NOT NULL,
  from_at INTEGER NOT NULL,
  run     INTEGER NOT NULL,
  app     TEXT,                              -- JSON; NULL: no longer listed
  file_id INTEGER NOT NULL,
  line    INTEGER NOT NULL,
  PRIMARY KEY (app_key, from_at, run)
) STRICT;

CREATE TABLE lifecycle (
  app_key TEXT    NOT NULL,
  site    TEXT    NOT NULL,
  at      INTEGER NOT NULL,
  event   INTEGER NOT NULL,
  users   INTEGER NOT NULL,                  -- -1: not told
  file_id INTEGER NOT NULL,
  line    INTEGER NOT NULL,
  run     INTEGER NOT NULL,
  PRIMARY KEY (app_key, site, at, event, users)
) STRICT, WITHOUT ROWID;

CREATE TABLE headers (
  app_key                TEXT    NOT NULL,
  day                    INTEGER NOT NULL,
  first_retrieval        INTEGER NOT NULL,
  last_retrieval         INTEGER NOT NULL,
  last_report            INTEGER NOT NULL,
  held                   INTEGER NOT NULL,
  retrieval_after_report INTEGER NOT NULL,
  newest                 INTEGER NOT NULL,
  PRIMARY KEY (app_key, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX headers_day ON headers (day);

CREATE TABLE packs (
  app_key  TEXT    NOT NULL,
  kind     INTEGER NOT NULL,                 -- 1 calls, 2 reports
  day      INTEGER NOT NULL,
  segment  TEXT    NOT NULL,
  place    INTEGER NOT NULL,                 -- in the segment, bytes
  length   INTEGER NOT NULL,
  records  INTEGER NOT NULL,
  first_at INTEGER NOT NULL,
  last_at  INTEGER NOT NULL,
  run      INTEGER NOT NULL,
  PRIMARY KEY (app_key, kind, day, segment, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX packs_segment ON packs (segment);
CREATE INDEX packs_last_at ON packs (last_at);
CREATE INDEX packs_day ON packs (day);

CREATE TABLE due (
  id      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  app_key TEXT    NOT NULL,
  day     INTEGER NOT NULL,
  checks  TEXT    NOT NULL,                  -- ids, by comma
  since   INTEGER NOT NULL
) STRICT;

CREATE TABLE contributions (
  app_key     TEXT    NOT NULL,
  check_id    TEXT    NOT NULL,
  finding_id  TEXT    NOT NULL,              -- of check, app and subject: a subject may be too long for an index
  day         INTEGER NOT NULL,
  subject     TEXT    NOT NULL,
  occurrences INTEGER NOT NULL,
  ids         BLOB    NOT NULL,              -- what identifies each occurrence
  first_at    INTEGER NOT NULL,
  last_at     INTEGER NOT NULL,
  accounts    BLOB    NOT NULL,              -- a set of ids
  sites       BLOB    NOT NULL,              -- a set of ids
  evidence    TEXT    NOT NULL,              -- JSON
  run         INTEGER NOT NULL,
  PRIMARY KEY (app_key, check_id, finding_id, day)
) STRICT;

CREATE TABLE findings (
  id                 TEXT    NOT NULL PRIMARY KEY,
  app_key            TEXT    NOT NULL,
  check_id           TEXT    NOT NULL,
  subject            TEXT    NOT NULL,
  clause             TEXT    NOT NULL,
  severity           TEXT    NOT NULL,
  confidence         TEXT    NOT NULL,
  status             TEXT    NOT NULL,
  reason             TEXT    NOT NULL,
  title              TEXT    NOT NULL,
  explanation        TEXT    NOT NULL,
  remediation        TEXT    NOT NULL,
  first_seen         INTEGER NOT NULL,
  last_seen          INTEGER NOT NULL,
  first_run          TEXT    NOT NULL,
  last_run           TEXT    NOT NULL,
  occurrences        INTEGER NOT NULL,
  accounts           INTEGER NOT NULL,
  sites              INTEGER NOT NULL,
  latest_run         TEXT    NOT NULL,
  latest_occurrences INTEGER NOT NULL,
  latest_accounts    INTEGER NOT NULL,
  worsened           INTEGER NOT NULL,
  assignee           TEXT    NOT NULL,
  recommendation     TEXT,                   -- JSON
  notified_at        INTEGER NOT NULL,
  due_at             INTEGER NOT NULL,
  policy             TEXT    NOT NULL,       -- digest
  registry           INTEGER NOT NULL,
  evidence           TEXT    NOT NULL,       -- JSON
  version            INTEGER NOT NULL        -- counts changes, so that nobody overwrites what another changed meanwhile
) STRICT;
CREATE INDEX findings_app ON findings (app_key);

CREATE TABLE acts (
  id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  finding_id TEXT    NOT NULL,
  kind       TEXT    NOT NULL,
  site       TEXT    NOT NULL,               -- empty: all
  reason     TEXT    NOT NULL,
  done_by    TEXT    NOT NULL,
  at         INTEGER NOT NULL,
  until      INTEGER NOT NULL,
  ended      INTEGER NOT NULL,
  accounts   BLOB    NOT NULL,               -- what the finding held then
  sites      BLOB    NOT NULL
) STRICT;
CREATE INDEX acts_finding ON acts (finding_id);
CREATE INDEX acts_running ON acts (ended, until);

CREATE TABLE quarantine (
  file_id INTEGER NOT NULL,
  line    INTEGER NOT NULL,
  run     INTEGER NOT NULL,                  -- seen only once that run is finished
  reason  TEXT    NOT NULL,
  text    TEXT    NOT NULL,                  -- redacted
  PRIMARY KEY (file_id, line, run)
) STRICT;
CREATE INDEX quarantine_run ON quarantine (run);

CREATE TABLE outbox (
  id       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  key      TEXT    NOT NULL UNIQUE,
  sink     TEXT    NOT NULL,
  body     BLOB    NOT NULL,
  created  INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  next_at  INTEGER NOT NULL,
  sent_at  INTEGER NOT NULL,
  error    TEXT    NOT NULL,
  receipt  TEXT    NOT NULL
) STRICT;
CREATE INDEX outbox_waiting ON outbox (sent_at, id);

CREATE TABLE trail (
  seq        INTEGER NOT NULL PRIMARY KEY,
  at         INTEGER NOT NULL,
  who        TEXT    NOT NULL,
  what       TEXT    NOT NULL,
  finding_id TEXT    NOT NULL,               -- empty: not about a finding
  body       TEXT,                           -- JSON, why and details; NULL: erased
  salt       BLOB,                           -- erased with the body
  digest     BLOB    NOT NULL,               -- SHA-256 of salt and body
  prev       BLOB    NOT NULL,               -- hash of the entry before
  hash       BLOB    NOT NULL                -- SHA-256 of all of the above but body and salt
) STRICT;
CREATE INDEX trail_finding ON trail (finding_id, seq);

CREATE TRIGGER trail_keeps_entries BEFORE DELETE ON trail
BEGIN
  SELECT RAISE(ABORT, 'the trail is append-only: no entry can be deleted');
END;

CREATE TRIGGER trail_keeps_words BEFORE UPDATE ON trail
WHEN NOT (NEW.body IS NULL AND NEW.salt IS NULL AND NEW.seq = OLD.seq AND NEW.at = OLD.at AND NEW.who = OLD.who AND NEW.what = OLD.what
  AND NEW.finding_id = OLD.finding_id AND NEW.digest = OLD.digest AND NEW.prev = OLD.prev AND NEW.hash = OLD.hash)
BEGIN
  SELECT RAISE(ABORT, 'the trail is append-only: of an entry only body and salt can be erased');
END;

CREATE TRIGGER trail_appends BEFORE INSERT ON trail
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM trail)
BEGIN
  SELECT RAISE(ABORT, 'the trail is append-only: an entry can only follow the last one');
END;
-- +goose StatementEnd
