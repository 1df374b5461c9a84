-- What findings hold, so that a night need not add up all of their days.

-- +goose Up
-- +goose StatementBegin

CREATE TABLE sums (
  app_key     TEXT    NOT NULL,
  check_id    TEXT    NOT NULL,
  finding_id  TEXT    NOT NULL,
  to_day      INTEGER NOT NULL,              -- it is the union of the finding's contributions up to this day
  subject     TEXT    NOT NULL,
  occurrences INTEGER NOT NULL,
  first_at    INTEGER NOT NULL,
  last_at     INTEGER NOT NULL,
  accounts    BLOB    NOT NULL,              -- a set of ids
  sites       BLOB    NOT NULL,              -- a set of ids
  hosts       BLOB    NOT NULL,              -- a set of hosts
  evidence    TEXT    NOT NULL,              -- JSON: the earliest rows, and the latest
  doubtful    INTEGER NOT NULL,
  PRIMARY KEY (app_key, check_id, finding_id)
) STRICT;
-- +goose StatementEnd
