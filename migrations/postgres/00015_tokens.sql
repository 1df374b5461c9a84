-- Tokens of the API.

-- +goose Up

CREATE TABLE tokens (
  name       TEXT   COLLATE "C" NOT NULL PRIMARY KEY,  -- for ever: the trail calls by it who acted
  digest     TEXT   COLLATE "C" NOT NULL UNIQUE,       -- SHA-256 of the token, which is kept nowhere, hexadecimal
  scopes     TEXT   COLLATE "C" NOT NULL,              -- with blanks between them
  created_by TEXT   COLLATE "C" NOT NULL,
  created    BIGINT NOT NULL,
  expires    BIGINT NOT NULL,
  used       BIGINT NOT NULL,                          -- last, to the hour
  revoked_by TEXT   COLLATE "C" NOT NULL,
  revoked    BIGINT NOT NULL
);
