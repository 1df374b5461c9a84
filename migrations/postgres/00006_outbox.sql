-- Whom a message of the outbox is for: messages of one sink and lane go one after another.

-- +goose Up

ALTER TABLE outbox ADD COLUMN lane TEXT NOT NULL DEFAULT '';
