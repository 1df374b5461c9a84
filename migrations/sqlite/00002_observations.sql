-- What captures, canary mailboxes and people brought. No text of a capture or mail is kept, and no end user's address.

-- +goose Up
-- +goose StatementBegin

CREATE TABLE observations (
  app_key  TEXT    NOT NULL,
  day      INTEGER NOT NULL,
  kind     TEXT    NOT NULL,                 -- captures, mail, signals
  id       BLOB    NOT NULL,                 -- a digest of all that its line says
  at       INTEGER NOT NULL,
  examined INTEGER NOT NULL,                 -- it was held against the addresses, or cannot be
  trouble  INTEGER NOT NULL,                 -- it cannot be: see its body
  body     TEXT    NOT NULL,                 -- JSON, redacted
  file_id  INTEGER NOT NULL,
  line     INTEGER NOT NULL,
  run      INTEGER NOT NULL,
  PRIMARY KEY (app_key, day, kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX observations_id ON observations (id);
CREATE INDEX observations_at ON observations (at);
CREATE INDEX observations_day ON observations (day);
CREATE INDEX observations_pending ON observations (app_key, day, kind, id) WHERE NOT examined; -- to the letter as it is asked for, or it is not used

CREATE TABLE canaries (
  account_id   TEXT    NOT NULL,
  app_key      TEXT    NOT NULL,
  mailed       INTEGER NOT NULL,             -- a mail to it was caught for the app
  retrieved_at INTEGER NOT NULL,             -- the app's first retrieval of it
  PRIMARY KEY (account_id, app_key)
) STRICT, WITHOUT ROWID;

ALTER TABLE headers ADD COLUMN observed INTEGER NOT NULL DEFAULT 0;       -- bits: 1 captures, 2 mail, 4 signals
ALTER TABLE contributions ADD COLUMN doubtful INTEGER NOT NULL DEFAULT 0; -- each of its occurrences is possible only
ALTER TABLE contributions ADD COLUMN hosts BLOB    NOT NULL DEFAULT x'';  -- a set of hosts
ALTER TABLE acts ADD COLUMN hosts BLOB    NOT NULL DEFAULT x'';           -- that the finding held then
-- +goose StatementEnd
