-- Who is logged in to the console, and what they have looked at.

-- +goose Up

CREATE TABLE sessions (
  digest  TEXT    NOT NULL PRIMARY KEY,              -- SHA-256 of the token that only the browser has, hexadecimal
  issuer  TEXT    NOT NULL,                          -- who vouched for the person; empty: the link that was printed at the start
  who     TEXT    NOT NULL,                          -- as in the trail
  name    TEXT    NOT NULL,
  role    TEXT    NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL
);
CREATE INDEX sessions_who ON sessions (who);

-- What a person saw of a finding at the last visit, and at the one before.
CREATE TABLE looks (
  app_key    TEXT NOT NULL,
  finding_id TEXT NOT NULL,
  who        TEXT NOT NULL,
  body       TEXT NOT NULL,                          -- JSON
  PRIMARY KEY (app_key, finding_id, who)
);
