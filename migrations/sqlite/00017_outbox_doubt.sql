-- Which messages of the outbox may have arrived though no answer said so: not those of which every attempt failed before anything was sent.

-- +goose Up

ALTER TABLE outbox ADD COLUMN doubt INTEGER NOT NULL DEFAULT 0; -- when the last attempt began that may have arrived; 0: none may

-- Of earlier attempts nobody knows.
UPDATE outbox SET doubt = created WHERE attempts > 0;
