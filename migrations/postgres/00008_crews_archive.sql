-- Which version and which archive a crew has: what it does is of use only to nights that have the same. Its rows are signs of life, and come again.

-- +goose Up
-- +goose StatementBegin

DROP TABLE crews;
CREATE TABLE crews (
  id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  hands   BIGINT NOT NULL,                            -- how many parts it does at one time
  version TEXT NOT NULL,                            -- of its mailreeve
  archive TEXT NOT NULL,                            -- its id
  seen    BIGINT NOT NULL                             -- the database's clock, milliseconds
);
-- +goose StatementEnd
