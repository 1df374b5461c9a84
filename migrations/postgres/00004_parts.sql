-- Parts of the night that is running, which other processes may do, and who is there to do them. A night's parts go when it ends.

-- +goose Up
-- +goose StatementBegin

CREATE TABLE parts (
  run    BIGINT  NOT NULL,
  number BIGINT  NOT NULL,                          -- in the run, from 1
  kind   TEXT    NOT NULL,
  body   BYTEA   NOT NULL,
  holder TEXT    NOT NULL,                          -- who does it; empty: nobody
  seen   BIGINT  NOT NULL,                          -- the holder's last sign of life, ms since the Unix epoch by the database's clock
  tries  BIGINT  NOT NULL,                          -- that failed
  error  TEXT    NOT NULL,                          -- of the last one
  answer BYTEA,                                    -- NULL: it is not done
  PRIMARY KEY (run, number)
);

CREATE TABLE crews (
  id    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  hands BIGINT NOT NULL,                            -- how many parts it does at one time
  seen  BIGINT NOT NULL                             -- as above
);
-- +goose StatementEnd
