-- Whom a message of the outbox is for, and who delivers it: messages of one sink and lane go one after another, whichever process sends them.

-- +goose Up
-- +goose StatementBegin

ALTER TABLE outbox ADD COLUMN lane   TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN failed BIGINT NOT NULL DEFAULT 0; -- 1: it will not pass by itself, and holds nothing back

DROP INDEX outbox_waiting;
CREATE INDEX outbox_waiting ON outbox (sent_at, sink, lane, failed, id, next_at);

CREATE TABLE outbox_lanes (
  sink    TEXT COLLATE "C" NOT NULL,
  lane    TEXT COLLATE "C" NOT NULL,
  holder  TEXT NOT NULL,                            -- who sends one of its messages; empty: nobody
  until   BIGINT NOT NULL,                          -- when another may
  next_at BIGINT NOT NULL,                          -- none is sent before
  PRIMARY KEY (sink, lane)
);

CREATE TABLE outbox_sinks (
  sink    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  next_at BIGINT NOT NULL                           -- its receiver asked to be left alone until then
);
-- +goose StatementEnd
