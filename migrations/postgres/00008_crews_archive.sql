-- Which archive a crew has: what it writes is of use only to nights that have the same one.

-- +goose Up

ALTER TABLE crews ADD COLUMN archive TEXT NOT NULL DEFAULT '';
