-- Which messages of the outbox may have arrived though no answer said so: not those of which every attempt failed before anything was sent.

-- +goose Up
-- +goose StatementBegin

ALTER TABLE outbox ADD COLUMN doubt BIGINT NOT NULL DEFAULT 0; -- until when an attempt was being made that may have arrived, at the latest; 0: none may have

-- Of earlier attempts nobody knows.
UPDATE outbox SET doubt = created WHERE attempts > 0;
-- +goose StatementEnd
