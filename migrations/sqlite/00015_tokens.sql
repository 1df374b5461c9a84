-- Tokens of the API.

-- +goose Up

CREATE TABLE tokens (
  name       TEXT    NOT NULL PRIMARY KEY,  -- for ever: the trail calls by it who acted
  digest     TEXT    NOT NULL UNIQUE,       -- SHA-256 of the token, which is kept nowhere, hexadecimal
  scopes     TEXT    NOT NULL,              -- with blanks between them
  created_by TEXT    NOT NULL,
  created    INTEGER NOT NULL,
  expires    INTEGER NOT NULL,
  used       INTEGER NOT NULL,              -- last, to the hour
  revoked_by TEXT    NOT NULL,
  revoked    INTEGER NOT NULL
) STRICT;
