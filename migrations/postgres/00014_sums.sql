-- What findings hold, so that a night need not add up all of their days.

-- +goose Up
-- +goose StatementBegin

CREATE TABLE sums (
  app_key     TEXT    COLLATE "C" NOT NULL,
  check_id    TEXT    COLLATE "C" NOT NULL,
  finding_id  TEXT    COLLATE "C" NOT NULL,
  to_day      INTEGER NOT NULL,                     -- it is the union of the finding's contributions up to this day
  subject     TEXT    NOT NULL,
  occurrences BIGINT  NOT NULL,
  first_at    BIGINT  NOT NULL,
  last_at     BIGINT  NOT NULL,
  accounts    BYTEA   NOT NULL,                     -- a set of ids
  sites       BYTEA   NOT NULL,                     -- a set of ids
  hosts       BYTEA   NOT NULL,                     -- a set of hosts
  evidence    TEXT    NOT NULL,                     -- JSON: the earliest rows, and the latest
  doubtful    BOOLEAN NOT NULL,
  PRIMARY KEY (app_key, check_id, finding_id)
);
-- +goose StatementEnd
