-- Notices to vendors, and what they answer.

-- +goose Up
-- +goose StatementBegin

CREATE TABLE notices (
  vendor     TEXT    NOT NULL,          -- what the vendor is known by
  id         TEXT    NOT NULL,
  delivery   TEXT    NOT NULL,
  created    INTEGER NOT NULL,
  recipients TEXT    NOT NULL,                      -- JSON: the vendor's contacts, the one column for their addresses
  body       TEXT    NOT NULL,                      -- JSON
  version    INTEGER NOT NULL,                      -- counts changes
  PRIMARY KEY (vendor, id)
);
CREATE INDEX notices_id ON notices (id);
CREATE INDEX notices_delivery ON notices (delivery);

CREATE TABLE matters (
  app_key    TEXT    NOT NULL,
  finding_id TEXT    NOT NULL,
  vendor     TEXT    NOT NULL,
  closed_at  INTEGER NOT NULL,
  body       TEXT    NOT NULL,                      -- JSON
  version    INTEGER NOT NULL,
  PRIMARY KEY (app_key, finding_id)
);
CREATE INDEX matters_closed_at ON matters (closed_at);

-- Requests for approval that nobody decided, and since when they wait: the registry does not say.
CREATE TABLE requests (
  app_key    TEXT    NOT NULL,
  request_id TEXT    NOT NULL,
  since      INTEGER NOT NULL,
  PRIMARY KEY (app_key, request_id)
);

-- Nights whose findings hold up notices until a person releases them.
CREATE TABLE releases (
  run        TEXT    NOT NULL PRIMARY KEY,
  at         INTEGER NOT NULL
);
-- +goose StatementEnd
