// Package migrations holds the schema of the store, as goose reads it: one folder for each database, the same tables in both.
package migrations

import (
	"embed"
	"io/fs"
)

//go:embed sqlite/*.sql postgres/*.sql
var files embed.FS

// SQLite is the schema for SQLite.
func SQLite() (fs.FS, error) { return fs.Sub(files, "sqlite") }

// Postgres is the schema for Postgres.
func Postgres() (fs.FS, error) { return fs.Sub(files, "postgres") }
