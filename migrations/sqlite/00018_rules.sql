-- What rules of one's own look at, and findings that are observed before their check is enforced.

-- +goose Up

ALTER TABLE headers ADD COLUMN figures TEXT;                                -- JSON, the day in numbers; NULL: it was not counted, or its facts are no longer kept
CREATE INDEX headers_figures ON headers (day) WHERE figures IS NOT NULL;
ALTER TABLE findings ADD COLUMN observed INTEGER NOT NULL DEFAULT 0;      -- shown only: its check is not enforced yet
