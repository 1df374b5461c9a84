-- Who is logged in to the console, and what they have looked at.

-- +goose Up

CREATE TABLE sessions (
  digest  TEXT    COLLATE "C" NOT NULL PRIMARY KEY,              -- SHA-256 of the token that only the browser has, hexadecimal
  issuer  TEXT    COLLATE "C" NOT NULL,                          -- who vouched for the person; empty: the link that was printed at the start
  who     TEXT    COLLATE "C" NOT NULL,                          -- as in the trail
  name    TEXT    COLLATE "C" NOT NULL,
  role    TEXT    COLLATE "C" NOT NULL,
  created BIGINT  NOT NULL,
  expires BIGINT  NOT NULL
);
CREATE INDEX sessions_who ON sessions (who);

-- What a person saw of a finding at the last visit, and at the one before.
CREATE TABLE looks (
  app_key    TEXT COLLATE "C" NOT NULL,
  finding_id TEXT COLLATE "C" NOT NULL,
  who        TEXT COLLATE "C" NOT NULL,
  body       TEXT NOT NULL,                          -- JSON
  PRIMARY KEY (app_key, finding_id, who)
);
