package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/mailreeve/mailreeve/migrations"
)

// sqliteFile is the dialect of SQLite: one connection that writes, a pool that reads beside it (WAL), and a lock file beside the database.
type sqliteFile struct {
	path string
	busy time.Duration // how long one statement waits for another program
}

func newSQLite(path string) (*sqliteFile, error) {
	if path == "" {
		return nil, errors.New("store sqlite://: the path of the file is missing, as in sqlite://mailreeve.db")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("store sqlite://%s: %w", path, err)
	}
	// The lock file must be the same one whatever link leads to the database.
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real
	} else if dir, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
		abs = filepath.Join(dir, filepath.Base(abs))
	}
	return &sqliteFile{path: abs, busy: 10 * time.Second}, nil
}

func (d *sqliteFile) String() string { return "sqlite://" + d.path }

func (d *sqliteFile) dsn(parameters ...string) string {
	u := url.URL{Path: filepath.ToSlash(d.path)}
	// FULL: a digest is sent once a night is committed, so a commit must outlive a power cut, or the next night would send it again.
	parameters = append(parameters, "_pragma=foreign_keys(1)", "_pragma=synchronous(FULL)", "_pragma=temp_store(MEMORY)")
	return fmt.Sprintf("file:%s?_busy_timeout=%d&%s", u.EscapedPath(), d.busy.Milliseconds(), strings.Join(parameters, "&"))
}

func (d *sqliteFile) open(ctx context.Context) (writer, reader *sqlx.DB, err error) {
	dir := filepath.Dir(d.path)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("the folder %s does not exist: create it, or mend `store` in the configuration", dir)
	}
	if i, err := os.Stat(d.path); err == nil && i.IsDir() {
		return nil, nil, fmt.Errorf("%s is a folder: name a file in `store`", d.path)
	}
	pool := func(n int, parameters ...string) (*sqlx.DB, error) {
		c, err := sqlite.NewConnector(d.dsn(parameters...))
		if err != nil {
			return nil, err
		}
		db := sqlx.NewDb(sql.OpenDB(c), "sqlite3")
		db.SetMaxOpenConns(n)
		db.SetMaxIdleConns(n)
		return db, nil
	}
	if writer, err = pool(1, "_txlock=immediate", "_pragma=journal_mode(WAL)", "_pragma=journal_size_limit(67108864)", "_pragma=cache_size(-65536)"); err != nil {
		return nil, nil, err
	}
	if reader, err = pool(max(4, 2*runtime.NumCPU()), "_query_only=1", "_pragma=cache_size(-16384)"); err != nil {
		return nil, nil, errors.Join(err, writer.Close())
	}
	if err = d.writable(ctx, writer); err != nil {
		return nil, nil, errors.Join(err, writer.Close(), reader.Close())
	}
	return writer, reader, nil
}

// writable tries the write lock without waiting for it: a database that another just writes can be written.
func (d *sqliteFile) writable(ctx context.Context, writer *sqlx.DB) error {
	c, err := writer.Conn(ctx)
	for start := time.Now(); d.retryable(err) && time.Since(start) < d.busy; {
		// Another opens the same new file: SQLite does not wait for who just turns to WAL.
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
		c, err = writer.Conn(ctx)
	}
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.ExecContext(ctx, `PRAGMA busy_timeout = 0`); err != nil {
		return err
	}
	_, err = c.ExecContext(ctx, `BEGIN IMMEDIATE`)
	switch {
	case err == nil:
		_, err = c.ExecContext(ctx, `ROLLBACK`)
	case sqliteCode(err) == sqlite3.SQLITE_BUSY:
		err = nil
	}
	if _, e := c.ExecContext(ctx, fmt.Sprintf(`PRAGMA busy_timeout = %d`, d.busy.Milliseconds())); err == nil {
		err = e
	}
	return err
}

// sqliteCode is the primary code of an error of SQLite, else 0.
func sqliteCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

func (d *sqliteFile) explain(err error) error {
	switch sqliteCode(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return &kinded{ErrBusy, err, "close whatever else has " + d.path + " open (a database browser, a backup), or try again later"}
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return &kinded{ErrReadOnly, err, "make the file and its folder writable for this user, and see that the disk is not mounted read-only"}
	case sqlite3.SQLITE_CANTOPEN:
		return &kinded{ErrReadOnly, err, "see that this user may read and write the file and create files in its folder"}
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		return &kinded{ErrDamaged, err, "restore the file from a backup, or move it away to begin a new store"}
	case sqlite3.SQLITE_IOERR: // a full disk, too, where SQLite cannot write what it needs beside the file
		return fmt.Errorf("%w: see that the disk of %s is neither full nor broken, and run again, nothing was lost", err, d.path)
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: make room on the disk of %s and run again, nothing was lost", err, d.path)
	}
	return err
}

func (d *sqliteFile) retryable(err error) bool {
	code := sqliteCode(err)
	return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED
}

func (d *sqliteFile) snapshot() *sql.TxOptions { return &sql.TxOptions{ReadOnly: true} }
func (d *sqliteFile) now() string              { return `CAST(unixepoch('subsec') * 1000 AS INTEGER)` }
func (d *sqliteFile) byIndex(n string) string  { return " INDEXED BY " + n } // it knows nothing of how many rows have a value
func (d *sqliteFile) forUpdate() string        { return "" }                 // the one writer has the whole database

// lockLanes has nothing to do: there is one writer.
func (d *sqliteFile) lockLanes(context.Context, *tx, []string) error { return nil }

// fileLock is the night's lock: the kernel frees it when its holder dies.
type fileLock struct{ *flock.Flock }

func (l fileLock) alive(context.Context) error { return nil }
func (l fileLock) release() error              { return l.Close() }

func (d *sqliteFile) tryLock(context.Context, *Store) (hold, error) {
	l := flock.New(d.path + ".lock")
	ok, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("%w: see that this user may write %s", err, l.Path())
	}
	if !ok {
		return nil, l.Close()
	}
	return fileLock{l}, nil
}

func (d *sqliteFile) holder(ctx context.Context, s *Store) (string, error) {
	h, err := d.tryLock(ctx, s)
	if err != nil {
		return "", err
	}
	if h != nil {
		return "", h.release()
	}
	if pid := flockedBy(d.path + ".lock"); pid > 0 {
		return fmt.Sprintf("process %d", pid), nil
	}
	return "another process", nil
}

// clock is this machine's own.
func (d *sqliteFile) clock(context.Context, *Store) (time.Duration, error) { return 0, nil }

// wipe writes the whole file anew, and the log over: what was deleted would lie in free pages and in the log.
func (d *sqliteFile) wipe(ctx context.Context, writer *sqlx.DB) error {
	c, err := writer.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	empty := func() error {
		var busy, frames, done int
		if err := c.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &frames, &done); err != nil {
			return err
		}
		if busy != 0 {
			return fmt.Errorf("%w: another program reads %s", ErrBusy, d.path)
		}
		return nil
	}
	// An index of words forgets none by itself: it is made anew.
	for _, statement := range []string{`BEGIN IMMEDIATE`, `INSERT INTO listed_words (listed_words) VALUES ('delete-all')`,
		`INSERT INTO listed_words (rowid, words) SELECT l.n, w.words FROM listed l JOIN finding_words w ON w.app_key = l.app_key AND w.id = l.id`, `COMMIT`} {
		if _, err := c.ExecContext(ctx, statement); err != nil {
			_, _ = c.ExecContext(context.WithoutCancel(ctx), `ROLLBACK`) // there may be nothing to roll back
			return err
		}
	}
	if err := empty(); err != nil {
		return err
	}
	// The copy is as large as the store: it goes to disk.
	if _, err := c.ExecContext(ctx, `PRAGMA temp_store = FILE`); err != nil {
		return err
	}
	_, err = c.ExecContext(ctx, `VACUUM`)
	if _, e := c.ExecContext(ctx, `PRAGMA temp_store = MEMORY`); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return empty()
}

func (d *sqliteFile) goose() (goose.Dialect, fs.FS, []goose.ProviderOption, error) {
	files, err := migrations.SQLite()
	return goose.DialectSQLite3, files, nil, err
}

func (d *sqliteFile) hasTable(ctx context.Context, t *tx, name string) (bool, error) {
	var n int
	err := t.one(ctx, &n, `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?`, name)
	return n > 0, err
}

// migrating takes the night's lock, for goose has none on SQLite, and no night may run while the tables change.
func (d *sqliteFile) migrating(ctx context.Context, s *Store, pending func() (bool, error), up func() error) error {
	for start := time.Now(); ; {
		h, err := d.tryLock(ctx, s)
		if err != nil {
			return err
		}
		if h != nil {
			return errors.Join(up(), h.release())
		}
		if still, err := pending(); err != nil || !still {
			return err
		}
		if time.Since(start) > d.busy {
			return fmt.Errorf("the schema is old, and a night of an older mailreeve is running: wait for its end: %w", ErrLocked)
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// sqliteRows is how many rows go into one statement: more bring nothing.
const sqliteRows = 100

// bulk runs statement(n) for every n rows.
func (d *sqliteFile) bulk(ctx context.Context, t *tx, width, most int, statement func(n int) string, rows rows) error {
	var full *sql.Stmt
	args := make([]any, 0, width*most)
	err := rows(func(values ...any) error {
		if args = append(args, values...); len(args) < width*most {
			return nil
		}
		if full == nil {
			s, err := t.PrepareContext(ctx, statement(most))
			if err != nil {
				return err
			}
			full = s
		}
		_, err := full.ExecContext(ctx, args...)
		args = args[:0]
		return err
	})
	if full != nil {
		defer full.Close()
	}
	if err != nil || len(args) == 0 {
		return err
	}
	_, err = t.ExecContext(ctx, statement(len(args)/width), args...)
	return err
}

func (d *sqliteFile) insert(ctx context.Context, t *tx, into table, rows rows) error {
	return d.bulk(ctx, t, len(into.key)+len(into.columns), sqliteRows, into.insertSQL, rows)
}

func (d *sqliteFile) upsert(ctx context.Context, t *tx, into table, rows rows) error {
	return d.bulk(ctx, t, len(into.key)+len(into.columns), sqliteRows, func(n int) string { return into.insertSQL(n) + into.onConflict() }, rows)
}

func (d *sqliteFile) remove(ctx context.Context, t *tx, from table, keys rows) error {
	q := fmt.Sprintf("DELETE FROM %s WHERE %s = ?", from.name, strings.Join(from.key, " = ? AND "))
	return d.bulk(ctx, t, len(from.key), 1, func(int) string { return q }, keys)
}

// manyMatches is from how many matches on SQLite asks each finding that an order comes upon for the words, instead of sorting all that have them: a page
// is soon full then.
const manyMatches = 5000

func (d *sqliteFile) match(ctx context.Context, t *tx, words []string) (match, error) {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = `"` + w + `"*`
	}
	query := strings.Join(quoted, ` `)
	var n int
	if err := t.one(ctx, &n, `SELECT count(*) FROM (SELECT 1 FROM listed_words WHERE listed_words MATCH ? LIMIT ?)`, query, manyMatches); err != nil {
		return match{}, err
	}
	if n < manyMatches {
		return match{condition: `l.n IN (SELECT rowid FROM listed_words WHERE listed_words MATCH ?)`, values: []any{query}}, nil
	}
	m := match{many: true}
	for _, w := range words {
		m.condition += ` AND w.words LIKE ? ESCAPE '\'`
		m.values = append(m.values, `%`+strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(w)+`%`)
	}
	m.condition = `EXISTS (SELECT 1 FROM finding_words w WHERE w.app_key = l.app_key AND w.id = l.id` + m.condition + `)`
	return m, nil
}
