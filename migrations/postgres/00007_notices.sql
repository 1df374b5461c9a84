-- Notices to vendors, and what they answer.

-- +goose Up
-- +goose StatementBegin

CREATE TABLE notices (
  vendor     TEXT    COLLATE "C" NOT NULL,          -- what the vendor is known by
  id         TEXT    COLLATE "C" NOT NULL,
  delivery   TEXT    NOT NULL,
  created    BIGINT  NOT NULL,
  recipients TEXT    NOT NULL,                      -- JSON: the vendor's contacts, the one column for their addresses
  body       TEXT    NOT NULL,                      -- JSON
  version    BIGINT  NOT NULL,                      -- counts changes
  PRIMARY KEY (vendor, id)
);
CREATE INDEX notices_id ON notices (id);
CREATE INDEX notices_delivery ON notices (delivery);

CREATE TABLE matters (
  app_key    TEXT    COLLATE "C" NOT NULL,
  finding_id TEXT    COLLATE "C" NOT NULL,
  vendor     TEXT    COLLATE "C" NOT NULL,
  closed_at  BIGINT  NOT NULL,
  body       TEXT    NOT NULL,                      -- JSON
  version    BIGINT  NOT NULL,
  PRIMARY KEY (app_key, finding_id)
);
CREATE INDEX matters_closed_at ON matters (closed_at);

-- Requests for approval that nobody decided, and since when they wait: the registry does not say.
CREATE TABLE requests (
  app_key    TEXT    COLLATE "C" NOT NULL,
  request_id TEXT    COLLATE "C" NOT NULL,
  since      BIGINT  NOT NULL,
  PRIMARY KEY (app_key, request_id)
);

-- Nights whose findings hold up notices until a person releases them.
CREATE TABLE releases (
  run        TEXT    COLLATE "C" NOT NULL PRIMARY KEY,
  at         BIGINT  NOT NULL
);
-- +goose StatementEnd
