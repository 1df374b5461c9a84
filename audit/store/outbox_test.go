package store_test

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

func letter(key, lane string) audit.Message {
	return audit.Message{Key: key, Sink: "slack", Lane: lane, Created: t0, NextAt: t0}
}

// keys are those of messages.
func keys(list []audit.Message) (keys []string) {
	for _, m := range list {
		keys = append(keys, m.Key)
	}
	return keys
}

// take takes the next message of a lane for a minute; its key is want, "" for none.
func take(t *testing.T, s *store.Store, lane, holder string, now audit.Instant, want string) *audit.Claim {
	t.Helper()
	c, err := s.Take(t.Context(), "slack", lane, holder, now, now.Add(time.Minute))
	must(t, err)
	got := ""
	if c != nil {
		got = c.Key
	}
	if got != want {
		t.Fatalf("%s takes %q of %s at %s, not %q", holder, got, lane, now, want)
	}
	return c
}

func TestOutbox(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		l := lock(t, s)
		for range 2 {
			p := finish(begin(t, s, l))
			a := letter("a", "#é "+hostile)
			a.Body = []byte(`{"x":"é"}`)
			p.Outbox = []audit.Message{a, {Key: "b", Sink: "slack", Created: t0, NextAt: t0 + 5}}
			must(t, s.Night(l).Publish(ctx, p))
		}
		list, err := s.Pending(ctx)
		must(t, err)
		a, b := list[0], list[1]
		same(t, "pending", list, []audit.Message{
			{ID: a.ID, Key: "a", Sink: "slack", Lane: "#é " + hostile, Body: []byte(`{"x":"é"}`), Created: t0, NextAt: t0, SentAt: audit.Never},
			{ID: b.ID, Key: "b", Sink: "slack", Created: t0, NextAt: t0 + 5, SentAt: audit.Never}})
		lanes, err := s.Lanes(ctx)
		must(t, err)
		slices.SortFunc(lanes, func(a, b audit.Lane) int { return strings.Compare(a.Name, b.Name) })
		same(t, "lanes", lanes, []audit.Lane{{Sink: "slack", Next: t0 + 5, Until: audit.Ever}, {Sink: "slack", Name: a.Lane, Next: audit.Ever, Until: audit.Ever}})

		one := take(t, s, a.Lane, "me", t0, "a")
		must(t, s.Missed(ctx, one, audit.Miss{At: t0 + 1, Error: "429 " + hostile, Next: t0 + 9, Lane: t0 + 1, Sink: audit.Ever}))
		take(t, s, "", "me", t0+4, "")
		two := take(t, s, "", "me", t0+5, "b")
		if r, err := s.Receipt(ctx, "b"); r != "" || err != nil {
			t.Errorf("receipt %q, %v before there is one", r, err)
		}
		must(t, s.Delivered(ctx, two, "1.2", t0+6, t0+7))
		must(t, s.Delivered(ctx, two, "again", t0+7, t0+7))
		must(t, s.Missed(ctx, two, audit.Miss{Error: "late", Final: true}))
		list, err = s.Messages(ctx)
		must(t, err)
		a.Attempts, a.Doubt, a.NextAt, a.Error = 1, t0+1, t0+9, "429 "+hostile
		b.Attempts, b.Doubt, b.SentAt, b.Receipt = 1, two.Began.Add(time.Minute), t0+6, "1.2"
		same(t, "messages", list, []audit.Message{a, b})
		for key, want := range map[string]string{"a": "", "b": "1.2", "none": ""} {
			if r, err := s.Receipt(ctx, key); r != want || err != nil {
				t.Errorf("receipt of %s: %q, %v", key, r, err)
			}
		}
		numbers, err := s.OutboxNumbers(ctx)
		must(t, err)
		same(t, "numbers", numbers, []store.OutboxNumbers{{Sink: "slack", Waiting: 1, Delivered: 1, Oldest: t0}})
		if left, err := s.Pending(ctx); len(left) != 1 || err != nil {
			t.Errorf("%d wait, %v", len(left), err)
		}
	})
}

// A lane is one holder's; whoever lost it can record nothing but that his message arrived.
func TestALaneIsLeased(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		must(t, s.EnqueueMessages(ctx, letter("1", "a"), letter("2", "a"), letter("3", "b"), letter("1", "b")))
		first := take(t, s, "a", "first", t0, "1")
		take(t, s, "a", "second", t0, "")
		take(t, s, "a", "second", t0.Add(time.Minute-1), "")
		take(t, s, "b", "second", t0, "3")
		lanes, err := s.Lanes(ctx)
		must(t, err)
		if lanes[0].Until != t0.Add(time.Minute) {
			t.Errorf("held until %s", lanes[0].Until)
		}
		if held, err := s.Hold(ctx, first, t0.Add(2*time.Minute)); !held || err != nil {
			t.Errorf("it cannot be held for longer: %t, %v", held, err)
		}
		take(t, s, "a", "second", t0.Add(time.Minute), "")
		second := take(t, s, "a", "second", t0.Add(2*time.Minute), "1") // the first one was killed, or stands still
		if first.Attempts != 0 || second.Attempts != 1 {
			t.Errorf("tried before: %d, %d times", first.Attempts, second.Attempts)
		}
		if held, err := s.Hold(ctx, first, t0.Add(time.Hour)); held || err != nil {
			t.Errorf("a lapsed lease is held: %t, %v", held, err)
		}
		must(t, s.Missed(ctx, first, audit.Miss{Error: "lapsed", Final: true, Next: audit.Never, Lane: audit.Never, Sink: audit.Never}))
		must(t, s.Free(ctx, first, audit.Never))
		take(t, s, "a", "third", t0.Add(2*time.Minute), "") // all that freed nothing
		must(t, s.Delivered(ctx, first, "known", t0, audit.Never))
		take(t, s, "a", "third", t0.Add(2*time.Minute), "")
		must(t, s.Missed(ctx, second, audit.Miss{Error: "no", Final: true, Next: audit.Never, Lane: t0.Add(2 * time.Minute), Sink: audit.Ever}))
		if r, err := s.Receipt(ctx, "1"); r != "known" || err != nil {
			t.Errorf("receipt %q, %v", r, err)
		}
		third := take(t, s, "a", "third", t0.Add(2*time.Minute), "2")
		must(t, s.Free(ctx, third, t0.Add(3*time.Minute)))
		take(t, s, "a", "fourth", t0.Add(3*time.Minute)-1, "")
		take(t, s, "a", "fourth", t0.Add(3*time.Minute), "2")
	})
}

// What will pass holds its lane back, what failed for good does not; and a sink that asks for a pause has it on all lanes.
func TestWhatHoldsALaneBack(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		must(t, s.EnqueueMessages(ctx, letter("1", "a"), letter("2", "a"), letter("3", "b")))
		next := func(lane string, want audit.Instant) {
			t.Helper()
			lanes, err := s.Lanes(ctx)
			must(t, err)
			for _, l := range lanes {
				if l.Name == lane && l.Next != want {
					t.Errorf("lane %s: next at %s, not %s", lane, l.Next, want)
				}
			}
		}
		must(t, s.Missed(ctx, take(t, s, "a", "x1", t0, "1"), audit.Miss{Error: "503", Next: t0 + 10, Lane: t0 + 1, Sink: audit.Ever}))
		next("a", t0+10)
		take(t, s, "a", "x2", t0+9, "")
		must(t, s.Missed(ctx, take(t, s, "a", "x3", t0+10, "1"), audit.Miss{Error: "no such channel", Final: true, Next: t0 + 100, Lane: t0 + 11, Sink: audit.Ever}))
		next("a", t0+11)
		must(t, s.Missed(ctx, take(t, s, "a", "x4", t0+11, "2"), audit.Miss{Error: "429", Next: t0 + 12, Lane: t0 + 12, Sink: t0 + 50}))
		next("a", t0+50)
		next("b", t0+50)
		take(t, s, "b", "x5", t0+49, "")
		must(t, s.Missed(ctx, take(t, s, "b", "x6", t0+50, "3"), audit.Miss{Error: "429", Next: t0 + 51, Lane: t0 + 51, Sink: t0 + 20})) // nothing is asked for that lasts less
		must(t, s.Delivered(ctx, take(t, s, "a", "x7", t0+50, "2"), "r", t0+50, t0+51))
		next("a", t0+100) // the one that failed is tried again by itself
		take(t, s, "a", "x8", t0+99, "")
		stuck, err := s.Stuck(ctx, t0)
		must(t, err)
		same(t, "stuck", keys(stuck), []string{"1"})
		must(t, s.Retry(ctx, stuck[0].ID))
		again := take(t, s, "a", "x9", t0+51, "1")
		if !again.Failed || again.Attempts != 2 {
			t.Errorf("%+v", again)
		}
		must(t, s.EnqueueMessages(ctx, letter("4", "a")))
		must(t, s.Missed(ctx, again, audit.Miss{Error: "503", Next: t0 + 100, Lane: t0 + 52, Sink: audit.Ever}))
		next("a", t0+52) // nor does it hold anything back now
		must(t, s.Delivered(ctx, take(t, s, "a", "x10", t0+52, "4"), "r", t0+52, t0+53))
		must(t, s.Delivered(ctx, take(t, s, "a", "x11", t0+100, "1"), "r", t0+100, t0+101))
		must(t, s.Retry(ctx, again.ID)) // it was delivered meanwhile, and stays so
		take(t, s, "a", "x12", t0+200, "")
		is(t, s.Retry(ctx, 999), store.ErrNotFound)
	})
}

func TestWhatIsStuck(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		later := letter("for later", "b")
		later.NextAt = t0.Add(24 * time.Hour)
		must(t, s.EnqueueMessages(ctx, letter("waits", "a"), later, letter("sent", "c")))
		must(t, s.Delivered(ctx, take(t, s, "c", "x", t0, "sent"), "", t0, t0))
		for after, want := range map[time.Duration][]string{0: nil, audit.StuckAfter: nil, audit.StuckAfter + 1: {"waits"}, 24*time.Hour + audit.StuckAfter + 1: {"waits", "for later"}} {
			now := t0.Add(after)
			stuck, err := s.Stuck(ctx, now)
			must(t, err)
			same(t, fmt.Sprint("stuck after ", after), keys(stuck), want)
			if n, err := s.CountStuck(ctx, now); n != len(want) || err != nil {
				t.Errorf("%d are stuck after %s, not %d; %v", n, after, len(want), err)
			}
			all, err := s.Messages(ctx)
			must(t, err)
			all = slices.DeleteFunc(all, func(m audit.Message) bool { return !m.Stuck(now) })
			same(t, fmt.Sprint("stuck by their own account after ", after), keys(all), want)
		}
	})
}

// What somebody gives up is neither delivered nor waiting any more, and it is kept who did so and why; it is purged like what was delivered.
func TestGivingUp(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		must(t, s.EnqueueMessages(ctx, letter("1", "a"), letter("2", "a"), letter("3", "a"), letter("4", "b")))
		all, err := s.Pending(ctx)
		must(t, err)
		give := func(i int, at audit.Instant) error {
			return s.GiveUp(ctx, store.GiveUp{ID: all[i].ID, GivenUp: audit.GivenUp{At: at, By: "cli:ann@host", Why: "the channel is gone"}})
		}
		one := take(t, s, "a", "me", t0, "1")
		is(t, give(0, t0+1), store.ErrInFlight)
		must(t, s.Missed(ctx, one, audit.Miss{Error: "no such channel", Final: true, Next: t0, Lane: t0, Sink: audit.Ever}))
		must(t, give(0, t0+2))
		is(t, give(0, t0+3), audit.ErrChanged)
		is(t, s.GiveUp(ctx, store.GiveUp{ID: 999}), store.ErrNotFound)
		must(t, s.Retry(ctx, all[0].ID)) // that brings it not back
		must(t, s.Delivered(ctx, take(t, s, "a", "me", t0+4, "2"), "r", t0+5, t0+5))
		is(t, give(1, t0+6), audit.ErrChanged)

		m, err := s.Message(ctx, all[0].ID)
		must(t, err)
		if m.GivenUp == nil || *m.GivenUp != (audit.GivenUp{At: t0 + 2, By: "cli:ann@host", Why: "the channel is gone"}) || m.SentAt != audit.Never || m.Failed || m.Stuck(audit.Never-1) || m.Error != "no such channel" {
			t.Errorf("%+v, %+v", m, m.GivenUp)
		}
		given, err := s.GivenUp(ctx)
		must(t, err)
		same(t, "given up", keys(given), []string{"1"})
		pending, err := s.Pending(ctx)
		must(t, err)
		same(t, "pending", keys(pending), []string{"3", "4"})
		if sent, err := s.Sent(ctx, []string{"1", "2"}); len(sent) != 1 || sent["2"].Receipt != "r" || err != nil {
			t.Errorf("sent %v, %v", sent, err)
		}
		numbers, err := s.OutboxNumbers(ctx)
		must(t, err)
		same(t, "numbers", numbers, []store.OutboxNumbers{{Sink: "slack", Waiting: 2, Delivered: 1, GivenUp: 1, Oldest: t0}})
		trail, err := s.Trail(ctx, store.TrailFilter{})
		must(t, err)
		if e := trail[len(trail)-1]; len(trail) != 1 || e.Who != "cli:ann@host" || e.What != "message given up" || e.Why != "the channel is gone" || e.Details["message"] != "1" || e.Details["attempts"] != 1.0 {
			t.Errorf("%+v", trail)
		}

		// A process that stood still had it accepted after all: that is true.
		late := take(t, s, "b", "slow", t0, "4")
		must(t, give(3, t0.Add(time.Hour)))
		must(t, s.Delivered(ctx, late, "late", t0+7, t0+8))
		if m, err := s.Message(ctx, all[3].ID); err != nil || m.GivenUp != nil || m.SentAt != t0+7 || m.Receipt != "late" {
			t.Errorf("%+v, %v", m, err)
		}

		l := lock(t, s)
		p := finish(begin(t, s, l))
		p.Retention.Trail = t0.Add(time.Hour)
		must(t, s.Night(l).Publish(ctx, p))
		left, err := s.Messages(ctx)
		must(t, err)
		same(t, "left after a purge", keys(left), []string{"3"})
	})
}

// To look for what is due costs no more for many messages that wait in a lane.
func TestLanesOfManyMessages(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		var list []audit.Message
		for i := range 50 {
			m := letter(fmt.Sprint(i), fmt.Sprint("lane ", i%7))
			m.Sink = []string{"email", "slack", "webhook"}[i%3]
			list = append(list, m)
		}
		must(t, s.EnqueueMessages(ctx, list...))
		lanes, err := s.Lanes(ctx)
		must(t, err)
		var got, want []string
		for _, l := range lanes {
			got = append(got, l.Sink+" "+l.Name)
		}
		for _, m := range list {
			want = append(want, m.Sink+" "+m.Lane)
		}
		slices.Sort(want)
		same(t, "lanes", got, slices.Compact(want))
	})
}

// Ids come from a sequence. Of two transactions that write into one lane the later has the later ids all the same: it waits for the other to end. Other lanes do not wait.
func TestALaneIsInOrderOfCommits(t *testing.T) {
	ctx := t.Context()
	url := cluster.New(t)
	s := open(t, url)
	db, err := sql.Open("postgres", url)
	must(t, err)
	defer db.Close()
	const gate = 4711 // that the message "slow" has to pass at its commit
	for _, q := range []string{
		`CREATE FUNCTION wait_at_the_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END $$`,
		`CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON outbox DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.key = 'slow') EXECUTE FUNCTION wait_at_the_gate()`,
	} {
		_, err := db.ExecContext(ctx, q)
		must(t, err)
	}
	keeper, err := db.Conn(ctx)
	must(t, err)
	defer keeper.Close()
	_, err = keeper.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, gate)
	must(t, err)
	waiting := func(n int) bool {
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			var got int
			must(t, db.QueryRowContext(ctx, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&got))
			if got == n {
				return true
			}
		}
		return false
	}
	slow, quick := make(chan error, 1), make(chan error, 1)
	go func() { slow <- s.EnqueueMessages(ctx, letter("b1", "b"), letter("slow", "a")) }()
	if !waiting(1) {
		t.Fatal("nobody waits at the gate")
	}
	must(t, s.EnqueueMessages(ctx, letter("other", "c")))
	go func() { quick <- s.EnqueueMessages(ctx, letter("quick", "a"), letter("b2", "b")) }()
	if !waiting(2) {
		t.Error("the second transaction does not wait for the first")
	}
	take(t, s, "a", "me", t0, "")
	_, err = keeper.ExecContext(ctx, `SELECT pg_advisory_unlock($1)`, gate)
	must(t, err)
	must(t, <-slow)
	must(t, <-quick)
	must(t, s.Delivered(ctx, take(t, s, "a", "me", t0, "slow"), "", t0, t0))
	take(t, s, "a", "me", t0, "quick")
}

// However many take at one time, one has the lane.
func TestOneTakes(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		s := open(t, url)
		for round := range 5 {
			lane := fmt.Sprint(round)
			must(t, s.EnqueueMessages(t.Context(), letter("m"+lane, lane), letter("n"+lane, lane)))
			var took atomic.Int64
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					c, err := s.Take(t.Context(), "slack", lane, fmt.Sprint(lane, " ", i), t0, t0+1)
					if err != nil {
						t.Error(err)
					}
					if c != nil {
						took.Add(1)
					}
				})
			}
			wg.Wait()
			if took.Load() != 1 {
				t.Errorf("%d took a message of lane %s", took.Load(), lane)
			}
		}
	})
}

// What waits in an older store is sent after the upgrade.
func TestMessagesOfAnOlderStoreAreKept(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		db := older(t, url, 5)
		for key, sent := range map[string]audit.Instant{"waits": audit.Never, "sent": t0} {
			_, err := db.Exec(`INSERT INTO outbox (key, sink, body, created, attempts, next_at, sent_at, error, receipt) VALUES ($1, 'slack', $2, $3, 1, $3, $4, '429', '')`, key, []byte("{}"), t0, sent)
			must(t, err)
		}
		must(t, db.Close())
		s := open(t, url)
		claim := take(t, s, "", "me", t0, "waits")
		must(t, s.Delivered(t.Context(), claim, "r", t0, t0))
		take(t, s, "", "me", t0, "")
	})
}

// A crew of an older store is a sign of life that is gone with the upgrade; the next one is read whole.
func TestCrewsAfterAnUpgrade(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		db := older(t, url, 5)
		_, err := db.Exec(`INSERT INTO crews (id, hands, seen) VALUES ('old', 2, 1)`)
		must(t, err)
		must(t, db.Close())
		s := open(t, url)
		must(t, s.SignOn(t.Context(), store.Crew{ID: "new", Hands: 3, Version: "v", Archive: "a"}))
		list, err := s.Crews(t.Context())
		must(t, err)
		if len(list) != 1 || list[0].ID != "new" || list[0].Version != "v" || list[0].Archive != "a" {
			t.Errorf("%+v", list)
		}
	})
}

// What is owed is counted of what a run wrote, and of what somebody was killed over, for the sinks that are there.
func TestWhatIsOwed(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		before, other := letter("before", "a"), letter("other", "c")
		before.Created, other.Sink = t0-9, "jira"
		must(t, s.EnqueueMessages(ctx, before, letter("now", "b"), other))
		owed := func(want store.Owed) {
			t.Helper()
			got, err := s.Owed(ctx, t0, []string{"slack", "webhook"})
			must(t, err)
			same(t, "owed", got, want)
		}
		owed(store.Owed{Messages: 1})
		cut := take(t, s, "a", "killed", t0, "before")
		owed(store.Owed{Messages: 2})
		must(t, s.Missed(ctx, take(t, s, "b", "me", t0, "now"), audit.Miss{Error: "no", Final: true, Next: t0, Lane: t0, Sink: audit.Ever}))
		must(t, s.Delivered(ctx, cut, "", t0, t0))
		owed(store.Owed{Messages: 1, Failed: 1, Error: "no"})
	})
}

// The newest good run is found however many failed since.
func TestLastGood(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		l := lock(t, s)
		if id, err := s.LastGood(ctx); id != "" || err != nil {
			t.Errorf("%q, %v in an empty store", id, err)
		}
		good := begin(t, s, l)
		must(t, s.Night(l).Publish(ctx, finish(good)))
		for range 101 {
			must(t, s.Fail(ctx, begin(t, s, l), store.ErrBusy))
		}
		if id, err := s.LastGood(ctx); id != good.ID || err != nil {
			t.Errorf("%q, not %s; %v", id, good.ID, err)
		}
	})
}
