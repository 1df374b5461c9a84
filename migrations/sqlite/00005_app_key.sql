-- Large tables lead with app_key. A SQLite file is not spread over machines: here a key that leads with it beside the old one is enough, and tables
-- need not be written anew. See docs/scale.md.

-- +goose Up
-- +goose StatementBegin

DROP INDEX findings_app;
CREATE UNIQUE INDEX findings_app ON findings (app_key, id);

ALTER TABLE acts ADD COLUMN app_key TEXT NOT NULL DEFAULT ''; -- of the finding
UPDATE acts SET app_key = (SELECT f.app_key FROM findings f WHERE f.id = acts.finding_id);
DROP INDEX acts_finding;
CREATE INDEX acts_finding ON acts (app_key, finding_id);

CREATE UNIQUE INDEX due_app ON due (app_key, id);

-- Rows from before hosts were kept hold a default that is no set: an empty one.
UPDATE contributions SET hosts = x'00000000' WHERE hosts = x'';
UPDATE acts SET hosts = x'00000000' WHERE hosts = x'';
-- +goose StatementEnd
