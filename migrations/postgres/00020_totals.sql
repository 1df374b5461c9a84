-- What each app did on each day, in numbers, so that a day can be held against those before it without reading their packs.

-- +goose Up

CREATE TABLE totals (
  app_key TEXT    COLLATE "C" NOT NULL,
  day     INTEGER NOT NULL,
  totals  TEXT    NOT NULL,                  -- JSON: accounts by busy site and in all, calls in vain; where a row is missing they are worked out from the packs of the day
  PRIMARY KEY (app_key, day)
);
