package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
)

// A dialect is all in which the databases differ.
type dialect interface {
	String() string // the store's name, without secrets
	open(ctx context.Context) (writer, reader *sqlx.DB, err error)
	explain(err error) error                                         // err with its kind and what to do
	retryable(err error) bool                                        // whether the same transaction may pass when tried again
	snapshot() *sql.TxOptions                                        // of a transaction that reads one moment
	now() string                                                     // the database's clock, ms since the Unix epoch
	match(ctx context.Context, t *tx, words []string) (match, error) // how findings are found by words
	byIndex(name string) string                                      // what follows a table in FROM that is to be read by an index
	forUpdate() string                                               // the end of a SELECT that locks its rows until the transaction's end
	lockLanes(ctx context.Context, t *tx, lanes []string) error      // keeps others from writing into lanes of the outbox until the transaction ends; they are sorted
	tryLock(ctx context.Context, s *Store) (hold, error)             // nil where another holds the night's lock

	holder(ctx context.Context, s *Store) (string, error)       // who holds the night's lock; empty: nobody
	clock(ctx context.Context, s *Store) (time.Duration, error) // how far the database's clock is ahead of this machine's
	wipe(ctx context.Context, writer *sqlx.DB) error            // so that the files hold nothing any more that was deleted

	goose() (goose.Dialect, fs.FS, []goose.ProviderOption, error)
	hasTable(ctx context.Context, t *tx, name string) (bool, error)
	migrating(ctx context.Context, s *Store, pending func() (bool, error), up func() error) error

	// The bulk writers. insert adds rows, upsert also replaces those that are there, remove deletes the rows of the given keys.
	insert(ctx context.Context, t *tx, into table, rows rows) error
	upsert(ctx context.Context, t *tx, into table, rows rows) error
	remove(ctx context.Context, t *tx, from table, keys rows) error
}

// A table is where bulk goes.
type table struct {
	name    string
	key     []string
	columns []string // beside the key
	keep    []string // columns that an upsert leaves as they are where the new value is NULL
}

func (t *table) all() []string { return append(append([]string(nil), t.key...), t.columns...) }

// rows gives its rows to add, the key's values first.
type rows func(add func(values ...any) error) error

// onConflict is the end of an INSERT that replaces what is there.
func (t *table) onConflict() string {
	var set []string
	for _, c := range t.columns {
		value := "excluded." + c
		for _, k := range t.keep {
			if k == c {
				value = fmt.Sprintf("coalesce(excluded.%s, %s.%s)", c, t.name, c)
			}
		}
		set = append(set, c+" = "+value)
	}
	return fmt.Sprintf(" ON CONFLICT (%s) DO UPDATE SET %s", strings.Join(t.key, ", "), strings.Join(set, ", "))
}

// insertSQL is an INSERT of n rows.
func (t *table) insertSQL(n int) string {
	columns := t.all()
	row := "(?" + strings.Repeat(", ?", len(columns)-1) + ")"
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES %s%s", t.name, strings.Join(columns, ", "), row, strings.Repeat(", "+row, n-1))
}

// A tx is a transaction. Its queries are written with ? in every dialect; a slice stands for a list.
type tx struct {
	*sqlx.Tx
	d dialect
}

func (t *tx) expand(query string, args []any) (string, []any, error) {
	for _, a := range args {
		if v := reflect.ValueOf(a); v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8 {
			var err error
			if query, args, err = sqlx.In(query, args...); err != nil {
				return "", nil, err
			}
			break
		}
	}
	return t.Rebind(query), args, nil
}

func (t *tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	query, args, err := t.expand(query, args)
	if err != nil {
		return 0, err
	}
	r, err := t.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// all reads every row into dest, a slice of structs or values.
func (t *tx) all(ctx context.Context, dest any, query string, args ...any) error {
	query, args, err := t.expand(query, args)
	if err != nil {
		return err
	}
	return t.SelectContext(ctx, dest, query, args...)
}

// one reads one row into dest; ErrNotFound where there is none.
func (t *tx) one(ctx context.Context, dest any, query string, args ...any) error {
	query, args, err := t.expand(query, args)
	if err != nil {
		return err
	}
	err = t.GetContext(ctx, dest, query, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// rows runs a query whose rows are read one by one.
func (t *tx) rows(ctx context.Context, query string, args ...any) (*sqlx.Rows, error) {
	query, args, err := t.expand(query, args)
	if err != nil {
		return nil, err
	}
	return t.QueryxContext(ctx, query, args...)
}

// read runs f on one moment of the store.
func (s *Store) read(ctx context.Context, what string, f func(*tx) error) error {
	return s.failed(ctx, what, s.inside(ctx, s.reader, s.d.snapshot(), f))
}

// write runs f in one transaction that writes, and again where another transaction was in the way. f must not act on anything but t.
func (s *Store) write(ctx context.Context, what string, f func(*tx) error) error {
	start := time.Now()
	for {
		err := s.inside(ctx, s.writer, nil, f)
		if err == nil || !s.d.retryable(err) || time.Since(start) > s.patience {
			return s.failed(ctx, what, err)
		}
		select {
		case <-ctx.Done():
			return s.failed(ctx, what, ctx.Err())
		case <-time.After(time.Duration(5+rand.IntN(50)) * time.Millisecond):
		}
	}
}

func (s *Store) inside(ctx context.Context, db *sqlx.DB, o *sql.TxOptions, f func(*tx) error) (err error) {
	// Once begun, the transaction ends here, and only its statements with ctx: to roll it back from elsewhere as soon as ctx ends would read the answers of a
	// COPY that is under way.
	begun, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	waiting := context.AfterFunc(ctx, end)
	t, err := db.BeginTxx(begun, o)
	waiting()
	if err != nil {
		return err
	}
	done := false
	defer func() {
		if !done {
			if e := t.Rollback(); e != nil && !errors.Is(e, sql.ErrTxDone) && err == nil {
				err = e
			}
		}
	}()
	if err = f(&tx{t, s.d}); err != nil {
		return err
	}
	if err = ctx.Err(); err != nil {
		return err
	}
	done = true
	return t.Commit()
}

// failed says what failed, where, and what to do about it.
func (s *Store) failed(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if end := ctx.Err(); end != nil && !errors.Is(err, end) {
		err = fmt.Errorf("%w (%w)", end, err) // Postgres only says that the statement was cancelled
	}
	return fmt.Errorf("store %s: %s: %w", s.d, what, s.d.explain(err))
}

// kinded is an error of the database and the kind of it.
type kinded struct {
	kind, err error
	advice    string
}

func (k *kinded) Error() string   { return fmt.Sprintf("%v (%v): %s", k.kind, k.err, k.advice) }
func (k *kinded) Unwrap() []error { return []error{k.kind, k.err} }

// A text is a string from outside. It is kept so that every database can hold it: a NUL, an ESC and bytes that are no UTF-8 become an ESC and two
// hexadecimal digits.
type text string

func isPlain(s string) bool {
	return strings.IndexByte(s, 0) < 0 && strings.IndexByte(s, esc) < 0 && utf8.ValidString(s)
}

const esc = 0x1b

// Value is t as the database holds it.
func (t text) Value() (driver.Value, error) {
	if isPlain(string(t)) {
		return string(t), nil
	}
	var b strings.Builder
	for i := 0; i < len(t); {
		r, n := utf8.DecodeRuneInString(string(t[i:]))
		if t[i] == 0 || t[i] == esc || r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, "%c%02x", esc, t[i])
		} else {
			b.WriteString(string(t[i : i+n]))
		}
		i += n
	}
	return b.String(), nil
}

// Scan reads what Value wrote.
func (t *text) Scan(v any) error {
	var s string
	switch v := v.(type) {
	case string:
		s = v
	case []byte:
		s = string(v)
	case nil:
	default:
		return fmt.Errorf("a text is a %T", v)
	}
	if strings.IndexByte(s, esc) >= 0 {
		parts := strings.Split(s, string(rune(esc)))
		for i, p := range parts[1:] {
			if len(p) < 2 {
				return fmt.Errorf("a text ends in the middle of an escape: %w", ErrDamaged)
			}
			n, err := strconv.ParseUint(p[:2], 16, 8)
			if err != nil {
				return fmt.Errorf("a text has a broken escape: %w", ErrDamaged)
			}
			parts[i+1] = string([]byte{byte(n)}) + p[2:]
		}
		s = strings.Join(parts, "")
	}
	*t = text(s)
	return nil
}

// texts is a list of texts for a query.
func texts[S ~string](list []S) []text {
	out := make([]text, len(list))
	for i, s := range list {
		out[i] = text(s)
	}
	return out
}

// lowered is names as lower() of the stores has them: of SQLite's only ASCII, of Postgres' what its locale knows.
func lowered(names []string) []text {
	out := make([]text, 0, 2*len(names))
	for _, s := range names {
		ascii := strings.Map(func(r rune) rune {
			if 'A' <= r && r <= 'Z' {
				r += 'a' - 'A'
			}
			return r
		}, s)
		out = append(out, text(strings.ToLower(s)), text(ascii))
	}
	return out
}

// chunks calls f with list in pieces that a query can hold.
func chunks[T any](list []T, f func([]T) error) error {
	const most = 500
	for len(list) > most {
		if err := f(list[:most]); err != nil {
			return err
		}
		list = list[most:]
	}
	if len(list) == 0 {
		return nil
	}
	return f(list)
}
