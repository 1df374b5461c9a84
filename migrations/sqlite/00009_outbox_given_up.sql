-- What is given up, and what was tried in vain, without looking through all that waits.

-- +goose Up
-- +goose StatementBegin

-- A message leaves the queue at sent_at, because it was delivered, or because somebody gave it up.
ALTER TABLE outbox ADD COLUMN given_up_by  TEXT NOT NULL DEFAULT ''; -- who; empty: nobody did
ALTER TABLE outbox ADD COLUMN given_up_why TEXT NOT NULL DEFAULT '';

CREATE INDEX outbox_failed ON outbox (sent_at, sink, lane, next_at) WHERE failed = 1;
CREATE INDEX outbox_given_up ON outbox (sent_at) WHERE given_up_by <> '';
-- +goose StatementEnd
