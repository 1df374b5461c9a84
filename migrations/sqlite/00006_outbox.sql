-- Whom a message of the outbox is for, and who delivers it: messages of one sink and lane go one after another, whichever process sends them.

-- +goose Up
-- +goose StatementBegin

ALTER TABLE outbox ADD COLUMN lane   TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN failed INTEGER NOT NULL DEFAULT 0; -- 1: it will not pass by itself, and holds nothing back

DROP INDEX outbox_waiting;
CREATE INDEX outbox_waiting ON outbox (sent_at, sink, lane, failed, id, next_at);

CREATE TABLE outbox_lanes (
  sink    TEXT NOT NULL,
  lane    TEXT NOT NULL,
  holder  TEXT NOT NULL,                            -- who sends one of its messages; empty: nobody
  until   INTEGER NOT NULL,                          -- when another may
  next_at INTEGER NOT NULL,                          -- none is sent before
  PRIMARY KEY (sink, lane)
) STRICT;

CREATE TABLE outbox_sinks (
  sink    TEXT NOT NULL PRIMARY KEY,
  next_at INTEGER NOT NULL                           -- its receiver asked to be left alone until then
) STRICT;
-- +goose StatementEnd
