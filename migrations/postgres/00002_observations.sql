-- What captures, canary mailboxes and people brought. No text of a capture or mail is kept, and no end user's address.

-- +goose Up
-- +goose StatementBegin

CREATE TABLE observations (
  app_key  TEXT    COLLATE "C" NOT NULL,
  day      INTEGER NOT NULL,
  kind     TEXT    COLLATE "C" NOT NULL,            -- captures, mail, signals
  id       BYTEA   NOT NULL,                        -- a digest of all that its line says
  at       BIGINT  NOT NULL,
  examined BOOLEAN NOT NULL,                        -- it was held against the addresses, or cannot be
  trouble  BOOLEAN NOT NULL,                        -- it cannot be: see its body
  body     TEXT    NOT NULL,                        -- JSON, redacted
  file_id  BIGINT  NOT NULL,
  line     BIGINT  NOT NULL,
  run      BIGINT  NOT NULL,
  PRIMARY KEY (app_key, day, kind, id)
);
CREATE INDEX observations_id ON observations (id);
CREATE INDEX observations_at ON observations (at);
CREATE INDEX observations_day ON observations (day);
CREATE INDEX observations_pending ON observations (app_key, day, kind, id) WHERE NOT examined;

CREATE TABLE canaries (
  account_id   TEXT    COLLATE "C" NOT NULL,
  app_key      TEXT    COLLATE "C" NOT NULL,
  mailed       BOOLEAN NOT NULL,                    -- a mail to it was caught for the app
  retrieved_at BIGINT  NOT NULL,                    -- the app's first retrieval of it
  PRIMARY KEY (account_id, app_key)
);

ALTER TABLE headers ADD COLUMN observed INTEGER NOT NULL DEFAULT 0;           -- bits: 1 captures, 2 mail, 4 signals
ALTER TABLE contributions ADD COLUMN doubtful BOOLEAN NOT NULL DEFAULT FALSE; -- each of its occurrences is possible only
ALTER TABLE contributions ADD COLUMN hosts BYTEA   NOT NULL DEFAULT '';  -- a set of hosts
ALTER TABLE acts ADD COLUMN hosts BYTEA   NOT NULL DEFAULT '';           -- that the finding held then
-- +goose StatementEnd
