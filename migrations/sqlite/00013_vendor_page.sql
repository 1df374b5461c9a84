-- The vendors' page: which links were used or taken back, who is in, and what vendors attached to findings.

-- +goose Up
-- +goose StatementBegin

CREATE TABLE vendor_links (
  vendor  TEXT    NOT NULL,
  hash    BLOB    NOT NULL,             -- SHA-256 of the link's token, which was used up
  used_at INTEGER NOT NULL,
  expires INTEGER NOT NULL,             -- of the link: until then this has to be known
  PRIMARY KEY (vendor, hash)
) STRICT;
CREATE INDEX vendor_links_expires ON vendor_links (expires);

CREATE TABLE vendor_revocations (
  vendor TEXT    NOT NULL PRIMARY KEY,
  until  INTEGER NOT NULL               -- links that expire then or before are void, and sessions that began with one
) STRICT;

CREATE TABLE vendor_sessions (
  hash         BLOB    NOT NULL PRIMARY KEY, -- SHA-256 of the cookie
  vendor       TEXT    NOT NULL,
  link_expires INTEGER NOT NULL,
  expires      INTEGER NOT NULL
) STRICT;
CREATE INDEX vendor_sessions_expires ON vendor_sessions (expires);

CREATE TABLE attachments (
  app_key    TEXT    NOT NULL,
  id         TEXT    NOT NULL,
  finding_id TEXT    NOT NULL,
  vendor     TEXT    NOT NULL,
  name       TEXT    NOT NULL,
  kind       TEXT    NOT NULL,          -- content type
  size       INTEGER NOT NULL,
  digest     TEXT    NOT NULL,          -- SHA-256
  at         INTEGER NOT NULL,
  content    BLOB    NOT NULL,
  PRIMARY KEY (app_key, finding_id, id)
) STRICT;
CREATE INDEX attachments_id ON attachments (id);
CREATE INDEX attachments_at ON attachments (at);
CREATE INDEX attachments_vendor ON attachments (vendor);

CREATE INDEX matters_vendor ON matters (vendor);
-- +goose StatementEnd
