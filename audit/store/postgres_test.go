package store_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/mailreeve/mailreeve/audit/store"
)

// TestLeaseEndsWithItsConnection: who lost the connection that holds the lock does not publish any more.
func TestLeaseEndsWithItsConnection(t *testing.T) {
	ctx := t.Context()
	address := cluster.New(t)
	s, other := open(t, address), open(t, address)
	l := lock(t, s)
	run := begin(t, s, l)
	_, err := other.Lock(ctx, false)
	is(t, err, store.ErrLocked)
	must(t, other.Exec(ctx, `SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory'`))
	is(t, s.Night(l).Publish(ctx, finish(run)), store.ErrFenced)
	second := lock(t, other)
	is(t, s.Night(l).Publish(ctx, finish(run)), store.ErrFenced)
	must(t, other.Night(second).Publish(ctx, finish(begin(t, other, second))))
}

// A process that stands still in the middle of a transaction, or vanishes with its machine, does not keep others from the store for hours.
func TestSessionsAreMortal(t *testing.T) {
	address := cluster.New(t)
	open(t, address) // creates what is asked below
	s := open(t, address)
	for setting, want := range map[string]string{"idle_in_transaction_session_timeout": "1min", "tcp_keepalives_idle": "20", "tcp_user_timeout": "60000"} {
		must(t, s.Exec(t.Context(), `DO $$ BEGIN ASSERT current_setting('`+setting+`') = '`+want+`', current_setting('`+setting+`'); END $$`))
	}
}

func TestPostgresSaysWhatToDo(t *testing.T) {
	ctx := t.Context()
	address := cluster.New(t)
	u, err := url.Parse(address)
	must(t, err)
	missing := *u
	missing.Path = "/no_such_database"
	if _, err := store.Open(ctx, missing.String()); err == nil || !strings.Contains(err.Error(), "createdb") {
		t.Errorf("a missing database: %v", err)
	}
	s := open(t, address)
	must(t, s.Exec(ctx, `CREATE ROLE stranger LOGIN`))
	stranger := *u
	stranger.User = url.User("stranger")
	_, err = store.Open(ctx, stranger.String())
	is(t, err, store.ErrReadOnly)
	must(t, s.Exec(ctx, `DROP ROLE stranger`))
}
