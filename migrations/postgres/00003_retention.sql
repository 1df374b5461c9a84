-- What the nightly purge looks for, and the accounts that are to be forgotten.

-- +goose Up
-- +goose StatementBegin

CREATE INDEX contributions_day ON contributions (day);
CREATE INDEX lifecycle_at ON lifecycle (at);
CREATE INDEX trail_at ON trail (at) WHERE body IS NOT NULL;

CREATE TABLE forgotten (
  pseudonym TEXT    COLLATE "C" NOT NULL PRIMARY KEY, -- a keyed hash of the account, by which it is known from now on
  filter    BIGINT  NOT NULL,                         -- a few bits of another one: most accounts are told apart by them
  at        BIGINT  NOT NULL
);
-- +goose StatementEnd
