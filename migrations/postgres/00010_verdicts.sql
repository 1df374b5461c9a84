-- How many critical and high findings a run filed, and whether that was abnormal: judged once, when it is filed. NULL: by an older mailreeve; the next run judges it.

-- +goose Up
-- +goose StatementBegin

ALTER TABLE runs ADD COLUMN severe BIGINT;
ALTER TABLE runs ADD COLUMN severe_limit BIGINT;         -- how many are still normal
ALTER TABLE runs ADD COLUMN abnormal BOOLEAN;
-- +goose StatementEnd
