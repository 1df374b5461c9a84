package feed

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/lib/pq"
)

// queryTimeout is for the whole of a query.
const queryTimeout = 15 * time.Minute

// Postgres is what a query gives: one row an item, its columns the fields.
type Postgres struct {
	DSN   Secret // postgres://…
	Query string
}

// Fetch writes the rows as JSON, one a line, all of one moment: in one read-only transaction, repeatable read. Postgres tells nothing of changes, so known
// is not used. The error holds no password.
func (p *Postgres) Fetch(ctx context.Context, _ string, to io.Writer) (next string, unchanged bool, err error) {
	dsn, err := p.DSN.Read()
	if err != nil {
		return "", false, err
	}
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "", false, errors.New("the address of the database is none that begins with postgres://")
	}
	config, err := pq.NewConfig(dsn)
	if err != nil {
		return "", false, without(err, u)
	}
	if config.ApplicationName == "" {
		config.ApplicationName = "mailreeve"
	}
	connector, err := pq.NewConnectorConfig(config)
	if err != nil {
		return "", false, without(err, u)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, queryTimeout, fmt.Errorf("the query took longer than %s", queryTimeout))
	defer cancel()
	db := sql.OpenDB(connector)
	defer db.Close()
	err = rows(ctx, db, p.Query, to)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return "", false, without(err, u)
}

func rows(ctx context.Context, db *sql.DB, query string, to io.Writer) error {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return fmt.Errorf("the database cannot be reached: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was changed
	query = strings.TrimRight(strings.TrimSpace(query), ";")
	statement, err := tx.PrepareContext(ctx, "SELECT row_to_json(item)::text FROM (\n"+query+"\n) AS item")
	if err != nil {
		return fmt.Errorf("the query: %w", err)
	}
	defer statement.Close()
	list, err := statement.QueryContext(ctx)
	if err != nil {
		return fmt.Errorf("the query: %w", err)
	}
	defer list.Close()
	w, left := bufio.NewWriter(to), int64(maxTotal)
	for list.Next() {
		var item string
		if err := list.Scan(&item); err != nil {
			return err
		}
		if left -= int64(len(item)); left < 0 {
			return fmt.Errorf("the rows are more than %d MiB", maxTotal>>20)
		}
		if _, err := w.WriteString(strings.ReplaceAll(item, "\n", " ")); err != nil { // within JSON's strings a line end is escaped
			return err
		}
		if err := w.WriteByte('\n'); err != nil {
			return err
		}
	}
	if err := list.Err(); err != nil {
		return fmt.Errorf("the query: %w", err)
	}
	return w.Flush()
}

// without is an error that does not hold the password of u.
func without(err error, u *url.URL) error {
	if err == nil {
		return nil
	}
	password, ok := u.User.Password()
	if !ok || password == "" {
		return err
	}
	text := err.Error()
	for _, secret := range []string{password, url.QueryEscape(password), url.PathEscape(password)} {
		text = strings.ReplaceAll(text, secret, "…")
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}
