-- The vendors' page: which links were used or taken back, who is in, and what vendors attached to findings.

-- +goose Up
-- +goose StatementBegin

CREATE TABLE vendor_links (
  vendor  TEXT    COLLATE "C" NOT NULL,
  hash    BYTEA   NOT NULL,             -- SHA-256 of the link's token, which was used up
  used_at BIGINT  NOT NULL,
  expires BIGINT  NOT NULL,             -- of the link: until then this has to be known
  PRIMARY KEY (vendor, hash)
);
CREATE INDEX vendor_links_expires ON vendor_links (expires);

CREATE TABLE vendor_revocations (
  vendor TEXT    COLLATE "C" NOT NULL PRIMARY KEY,
  until  BIGINT  NOT NULL               -- links that expire then or before are void, and sessions that began with one
);

CREATE TABLE vendor_sessions (
  hash         BYTEA   NOT NULL PRIMARY KEY, -- SHA-256 of the cookie
  vendor       TEXT    COLLATE "C" NOT NULL,
  link_expires BIGINT  NOT NULL,
  expires      BIGINT  NOT NULL
);
CREATE INDEX vendor_sessions_expires ON vendor_sessions (expires);

CREATE TABLE attachments (
  app_key    TEXT    COLLATE "C" NOT NULL,
  id         TEXT    COLLATE "C" NOT NULL,
  finding_id TEXT    COLLATE "C" NOT NULL,
  vendor     TEXT    COLLATE "C" NOT NULL,
  name       TEXT    COLLATE "C" NOT NULL,
  kind       TEXT    COLLATE "C" NOT NULL,          -- content type
  size       BIGINT  NOT NULL,
  digest     TEXT    COLLATE "C" NOT NULL,          -- SHA-256
  at         BIGINT  NOT NULL,
  content    BYTEA   NOT NULL,
  PRIMARY KEY (app_key, finding_id, id)
);
CREATE INDEX attachments_id ON attachments (id);
CREATE INDEX attachments_at ON attachments (at);
CREATE INDEX attachments_vendor ON attachments (vendor);

CREATE INDEX matters_vendor ON matters (vendor);
-- +goose StatementEnd
