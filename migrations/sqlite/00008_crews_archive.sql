-- Which version and which archive a crew has: what it does is of use only to nights that have the same. Its rows are signs of life, and come again.

-- +goose Up
-- +goose StatementBegin

DROP TABLE crews;
CREATE TABLE crews (
  id      TEXT NOT NULL PRIMARY KEY,
  hands   INTEGER NOT NULL,                            -- how many parts it does at one time
  version TEXT NOT NULL,                            -- of its mailreeve
  archive TEXT NOT NULL,                            -- its id
  seen    INTEGER NOT NULL                             -- the database's clock, milliseconds
);
-- +goose StatementEnd
