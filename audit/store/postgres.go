package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/mailreeve/mailreeve/migrations"
)

// postgres is the dialect of Postgres, over lib/pq.
type postgres struct {
	config pq.Config
	name   string
}

func newPostgres(dsn string) (*postgres, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		var e *url.Error
		if errors.As(err, &e) {
			err = e.Err // without the address, which may hold a password
		}
		return nil, fmt.Errorf("store: the postgres:// address cannot be read: %w", err)
	}
	c, err := pq.NewConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", u.Redacted(), err)
	}
	if c.ApplicationName == "" {
		c.ApplicationName = "mailreeve"
	}
	name := url.URL{Scheme: "postgres", Host: u.Host, Path: u.Path}
	if u.User != nil {
		name.User = url.User(u.User.Username())
	}
	return &postgres{config: c, name: name.String()}, nil
}

func (d *postgres) String() string { return d.name }

func (d *postgres) open(ctx context.Context) (writer, reader *sqlx.DB, err error) {
	c, err := pq.NewConnectorConfig(d.config)
	if err != nil {
		return nil, nil, err
	}
	db := sqlx.NewDb(sql.OpenDB(mortal{c}), "postgres")
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(8)
	var server struct {
		Standby  bool `db:"standby"`
		ReadOnly bool `db:"read_only"`
	}
	const ask = `SELECT pg_is_in_recovery() AS standby, current_setting('transaction_read_only')::boolean AS read_only`
	err = db.GetContext(ctx, &server, ask)
	switch {
	case err != nil:
	case server.Standby:
		err = fmt.Errorf("%w: this server is a standby: connect to the primary one", ErrReadOnly)
	case server.ReadOnly:
		err = fmt.Errorf("%w: default_transaction_read_only is on, for this server, database or user: find out why, and set it off", ErrReadOnly)
	}
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, db, nil
}

// mortal makes connections whose sessions, and whatever they have locked, end within about a minute when their process stands still in the middle of a
// transaction, or vanishes with its machine.
type mortal struct{ driver.Connector }

func (m mortal) Connect(ctx context.Context) (driver.Conn, error) {
	const settings = `SELECT set_config(name, CASE name WHEN 'tcp_keepalives_idle' THEN '20' WHEN 'tcp_keepalives_interval' THEN '10'
		WHEN 'tcp_keepalives_count' THEN '4' ELSE '60s' END, false) FROM pg_settings
		WHERE name IN ('idle_in_transaction_session_timeout', 'tcp_user_timeout', 'tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count')`
	conn, err := m.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.(driver.ExecerContext).ExecContext(ctx, settings, nil); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func (d *postgres) explain(err error) error {
	e := pq.As(err)
	if e == nil {
		if lost := new(net.OpError); errors.As(err, &lost) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn) {
			return fmt.Errorf("%w: see that the server runs and can be reached from here, and try again; nothing was lost", err)
		}
		return err
	}
	switch {
	case e.Code == pqerror.CannotConnectNow, e.Code == pqerror.AdminShutdown, e.Code == pqerror.CrashShutdown:
		return fmt.Errorf("%w: the server stops or starts: try again; nothing was lost", err)
	case e.Code == pqerror.ReadOnlySQLTransaction:
		return &kinded{ErrReadOnly, err, "connect to the primary server"}
	case e.Code == pqerror.InsufficientPrivilege:
		return &kinded{ErrReadOnly, err, "grant the user the right to create and write tables in this database"}
	case e.Code == pqerror.DataCorrupted, e.Code == pqerror.IndexCorrupted:
		return &kinded{ErrDamaged, err, "restore the database from a backup"}
	case e.Code == pqerror.DiskFull:
		return fmt.Errorf("%w: make room on the disk of the database server of %s and run again, nothing was lost", err, d)
	case e.Code == pqerror.InvalidCatalogName:
		return fmt.Errorf("%w: create it with createdb, or mend `store` in the configuration", err)
	case e.Code == pqerror.InvalidPassword, e.Code == pqerror.InvalidAuthorizationSpecification:
		return fmt.Errorf("%w: set PGPASSWORD or a password file, or mend `store` in the configuration", err)
	case e.Code == pqerror.LockNotAvailable, d.retryable(err):
		return &kinded{ErrBusy, err, "try again"}
	}
	return err
}

func (d *postgres) retryable(err error) bool {
	return pq.As(err, pqerror.TRSerializationFailure, pqerror.TRDeadlockDetected) != nil
}

func (d *postgres) snapshot() *sql.TxOptions {
	return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
}

func (d *postgres) now() string { return `(extract(epoch FROM clock_timestamp()) * 1000)::bigint` }

func (d *postgres) byIndex(string) string { return "" } // its statistics choose

func (d *postgres) forUpdate() string { return " FOR UPDATE" }

// lockLanes takes a lock of the transaction for each lane. Two lanes may share one, by chance; then their writers wait for each other, and that is all. Ids come from a sequence, which no transaction
// holds back: without this, a message with a smaller id could become visible after its successor was sent.
func (d *postgres) lockLanes(ctx context.Context, t *tx, lanes []string) error {
	const outbox = 0x6f757462 // the first of two numbers, where the night's lock is one: "outb"
	keys := make([]int64, len(lanes))
	for i, l := range lanes {
		sum := fnv.New32a()
		_, _ = sum.Write([]byte(l)) // into a hash
		keys[i] = int64(int32(sum.Sum32()))
	}
	slices.Sort(keys)
	_, err := t.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1, k::int) FROM unnest($2::bigint[]) AS k`, outbox, pq.Array(slices.Compact(keys)))
	return err
}

// sessionLock is the night's lock: the server frees it when the connection that took it ends.
type sessionLock struct{ conn *sql.Conn }

// alive asks the server, also where ctx ends meanwhile: a connection that is left in the middle of a question is lost, and the lock with it.
func (l sessionLock) alive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return l.conn.PingContext(ctx)
}

// release gives the lock back, so that the next may have it at once, and ends the session, and the lock with it, whatever state it is in.
func (l sessionLock) release() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, _ = l.conn.ExecContext(ctx, `SELECT pg_advisory_unlock_all()`) // if it fails, the session's end does it
	err := l.conn.Raw(func(any) error { return driver.ErrBadConn })
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
		err = nil
	}
	return err
}

func (d *postgres) tryLock(ctx context.Context, s *Store) (_ hold, err error) {
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return nil, err
	}
	l := sessionLock{conn}
	// A night is long and its session idle: no timeout may end it.
	const settings = `SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('idle_session_timeout', 'statement_timeout')`
	if _, err := conn.ExecContext(ctx, settings); err != nil {
		return nil, errors.Join(err, l.release())
	}
	key, err := s.lockKey()
	if err != nil {
		return nil, errors.Join(err, l.release())
	}
	var ok bool
	if err := conn.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, key).Scan(&ok); err != nil {
		return nil, errors.Join(err, l.release())
	}
	if !ok {
		return nil, l.release()
	}
	return l, nil
}

// lockKey is the number of the night's lock.
func (s *Store) lockKey() (int64, error) {
	id, err := hex.DecodeString(s.id)
	if err != nil || len(id) < 8 {
		return 0, fmt.Errorf("the store's id is no hexadecimal number: %w", ErrDamaged)
	}
	return int64(binary.BigEndian.Uint64(id)), nil
}

func (d *postgres) holder(ctx context.Context, s *Store) (string, error) {
	key, err := s.lockKey()
	if err != nil {
		return "", err
	}
	var who string
	err = s.reader.GetContext(ctx, &who, `SELECT 'the connection of ' || coalesce(host(a.client_addr), 'this machine') || ' since '
			|| to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') || ' (server process ' || a.pid || ')'
		FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid JOIN pg_database b ON b.oid = l.database AND b.datname = current_database()
		WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND (l.classid::bigint << 32) | l.objid::bigint = $1 LIMIT 1`, key)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return who, err
}

func (d *postgres) clock(ctx context.Context, s *Store) (time.Duration, error) {
	var at time.Time
	asked := time.Now()
	err := s.reader.GetContext(ctx, &at, `SELECT clock_timestamp()`)
	took := time.Since(asked)
	return at.Sub(asked.Add(took / 2)), err
}

// wipe writes the tables anew that may have named an account. What the server keeps for its own recovery (its log, archives of it, standbys, backups) is
// out of reach.
func (d *postgres) wipe(ctx context.Context, writer *sqlx.DB) error {
	for _, name := range []string{"apps", "app_versions", "observations", "contributions", "sums", "findings", "acts", "canaries", "runs", "outbox", "quarantine", "trail", "parts", "notices", "matters", "attachments", "listed"} {
		if _, err := writer.ExecContext(ctx, `VACUUM (FULL, ANALYZE) `+name); err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
	}
	return nil
}

func (d *postgres) goose() (goose.Dialect, fs.FS, []goose.ProviderOption, error) {
	files, err := migrations.Postgres()
	if err != nil {
		return "", nil, nil, err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
	return goose.DialectPostgres, files, []goose.ProviderOption{goose.WithSessionLocker(locker)}, err
}

func (d *postgres) hasTable(ctx context.Context, t *tx, name string) (ok bool, err error) {
	err = t.one(ctx, &ok, `SELECT to_regclass(?) IS NOT NULL`, name)
	return ok, err
}

// migrating keeps others out while the tables change, goose's and the job queue's, which has no lock of its own.
func (d *postgres) migrating(ctx context.Context, s *Store, _ func() (bool, error), up func() error) error {
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return err
	}
	l := sessionLock{conn}
	const schema = 0x6d61696c72656576 // any number that nobody else takes: "mailreev"
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, int64(schema)); err != nil {
		return errors.Join(err, l.release())
	}
	return errors.Join(up(), l.release())
}

// copyIn streams rows into columns of a table. begin is called before the first row.
func (d *postgres) copyIn(ctx context.Context, t *tx, name string, columns []string, begin func() error, rows rows) (n int, err error) {
	var in *sql.Stmt
	err = rows(func(values ...any) error {
		if in == nil {
			if err := begin(); err != nil {
				return err
			}
			s, err := t.PrepareContext(ctx, fmt.Sprintf("COPY %s (%s) FROM STDIN", name, strings.Join(columns, ", ")))
			if err != nil {
				return err
			}
			in = s
		}
		n++
		_, err := in.ExecContext(ctx, values...)
		return err
	})
	if in == nil {
		return 0, err
	}
	if err == nil {
		_, err = in.ExecContext(ctx) // what went wrong in the stream shows here
	}
	return n, errors.Join(err, in.Close())
}

func (d *postgres) insert(ctx context.Context, t *tx, into table, rows rows) error {
	_, err := d.copyIn(ctx, t, into.name, into.all(), func() error { return nil }, rows)
	return err
}

// aside streams rows into a temporary table and runs query on it.
func (d *postgres) aside(ctx context.Context, t *tx, of string, columns []string, query string, rows rows) error {
	begin := func() error {
		_, err := t.ExecContext(ctx, fmt.Sprintf("DROP TABLE IF EXISTS pg_temp.bulk; CREATE TEMPORARY TABLE bulk ON COMMIT DROP AS SELECT %s FROM %s WITH NO DATA",
			strings.Join(columns, ", "), of))
		return err
	}
	n, err := d.copyIn(ctx, t, "bulk", columns, begin, rows)
	if err != nil || n == 0 {
		return err
	}
	_, err = t.ExecContext(ctx, query)
	return err
}

func (d *postgres) upsert(ctx context.Context, t *tx, into table, rows rows) error {
	columns := strings.Join(into.all(), ", ")
	return d.aside(ctx, t, into.name, into.all(), fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM bulk%s", into.name, columns, columns, into.onConflict()), rows)
}

func (d *postgres) remove(ctx context.Context, t *tx, from table, keys rows) error {
	var same []string
	for _, k := range from.key {
		same = append(same, fmt.Sprintf("%s.%s = bulk.%s", from.name, k, k))
	}
	return d.aside(ctx, t, from.name, from.key, fmt.Sprintf("DELETE FROM %s USING bulk WHERE %s", from.name, strings.Join(same, " AND ")), keys)
}

// match is sqliteFile's. Postgres chooses the way itself. What the database's locale does not turn to lower case is looked for as it is written, too.
func (d *postgres) match(_ context.Context, _ *tx, words []string) (match, error) {
	quoted := make([]string, len(words))
	for i, w := range words {
		r := []rune(w)
		r = r[:min(len(r), 100)]
		low := strings.ToLower(string(r))
		quoted[i] = `'` + low + `':*`
		if !isASCII(w) {
			quoted[i] = `(` + quoted[i] + ` | '` + string(r) + `':* | '` + string(unicode.ToTitle(r[0])) + low[len(string(unicode.ToLower(r[0]))):] + `':*)`
		}
	}
	return match{condition: `l.words @@ ?::tsquery`, values: []any{strings.Join(quoted, ` & `)}}, nil
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}
