-- Large tables lead with app_key, so that they can be spread over machines by it: a unique key that lacks the column would have to be checked on all
-- of them. See docs/scale.md.

-- +goose Up
-- +goose StatementBegin

ALTER TABLE findings DROP CONSTRAINT findings_pkey, ADD PRIMARY KEY (app_key, id);
DROP INDEX findings_app;                              -- the key leads with it now
CREATE INDEX findings_id ON findings (id ASC);        -- people name findings by id, or by how it begins

ALTER TABLE acts ADD COLUMN app_key TEXT COLLATE "C"; -- of the finding
UPDATE acts SET app_key = f.app_key FROM findings f WHERE f.id = acts.finding_id;
ALTER TABLE acts ALTER COLUMN app_key SET NOT NULL, DROP CONSTRAINT acts_pkey, ADD PRIMARY KEY (app_key, id);
DROP INDEX acts_finding;
CREATE INDEX acts_finding ON acts (app_key, finding_id);

ALTER TABLE due DROP CONSTRAINT due_pkey, ADD PRIMARY KEY (app_key, id);

-- Rows from before hosts were kept hold a default that is no set: an empty one.
UPDATE contributions SET hosts = '\x00000000' WHERE hosts = '\x';
UPDATE acts SET hosts = '\x00000000' WHERE hosts = '\x';
-- +goose StatementEnd
