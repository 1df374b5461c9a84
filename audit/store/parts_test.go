package store_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// A part has one holder at a time, and one answer: the first holder's, or that of who took it over from a dead one.
func TestPartsHaveOneAnswer(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		n := s.Night(lock(t, s))
		run := byHand()
		must(t, n.Begin(ctx, run))
		nothing := func(context.Context, *sql.Tx, int64) error { return nil }
		first, err := n.AddParts(ctx, run.Seq, []audit.Part{{Kind: audit.Segment, Body: []byte("a")}, {Kind: audit.Examine, Body: []byte("b")}}, nothing)
		must(t, err)
		same(t, "number of the first part", first, int64(1))

		p, err := s.TakePart(ctx, run.Seq, 1, "x")
		must(t, err)
		same(t, "part", p, audit.Part{Kind: audit.Segment, Body: []byte("a")})
		if _, err := s.TakePart(ctx, run.Seq, 1, "y"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a part that another holds was given: %v", err)
		}
		if ok, err := s.FinishPart(ctx, run.Seq, 1, "y", []byte("z")); err != nil || ok {
			t.Errorf("who does not hold a part finished it: %v, %v", ok, err)
		}
		must(t, s.LeavePart(ctx, run.Seq, 1, "x", true, errors.New("disk is full")))
		states, err := s.Parts(ctx, run.Seq)
		must(t, err)
		same(t, "states", states, []store.PartState{{Number: 1, Tries: 1, Error: "disk is full"}, {Number: 2}})

		_, err = s.TakePart(ctx, run.Seq, 1, "y")
		must(t, err)
		if ok, err := s.HoldPart(ctx, run.Seq, 1, "y"); err != nil || !ok {
			t.Errorf("a holder is refused: %v, %v", ok, err)
		}
		store.Age(s, store.Silence)
		states, err = s.Parts(ctx, run.Seq)
		must(t, err)
		if states[0].Held {
			t.Error("a silent holder is taken for alive")
		}
		_, err = s.TakePart(ctx, run.Seq, 1, "z")
		must(t, err)
		if ok, err := s.HoldPart(ctx, run.Seq, 1, "y"); err != nil || ok {
			t.Errorf("a part that was taken over is still the first one's: %v, %v", ok, err)
		}
		if ok, err := s.FinishPart(ctx, run.Seq, 1, "z", []byte("answer")); err != nil || !ok {
			t.Fatalf("an answer is refused: %v, %v", ok, err)
		}
		if ok, err := s.FinishPart(ctx, run.Seq, 1, "z", []byte("other")); err != nil || ok {
			t.Errorf("a second answer is taken: %v, %v", ok, err)
		}
		answer, err := s.Answer(ctx, run.Seq, 1)
		must(t, err)
		same(t, "answer", string(answer), "answer")

		more, err := n.AddParts(ctx, run.Seq, []audit.Part{{Kind: audit.Examine}}, nothing)
		must(t, err)
		same(t, "number of a later part", more, int64(3))

		must(t, s.Fail(ctx, run, errors.New("stopped")))
		states, err = s.Parts(ctx, run.Seq)
		must(t, err)
		same(t, "parts of a run that ended", states, []store.PartState(nil))
		if _, err := s.TakePart(ctx, run.Seq, 2, "x"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a part of a run that ended was given: %v", err)
		}
	})
}

// What also is to be done with the parts is done with them, or nothing is.
func TestPartsComeWithTheirJobs(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		n := s.Night(lock(t, s))
		run := byHand()
		must(t, n.Begin(ctx, run))
		broken := errors.New("no queue")
		_, err := n.AddParts(ctx, run.Seq, []audit.Part{{Kind: audit.Examine}}, func(context.Context, *sql.Tx, int64) error { return broken })
		if !errors.Is(err, broken) {
			t.Fatalf("got %v", err)
		}
		states, err := s.Parts(ctx, run.Seq)
		must(t, err)
		same(t, "parts", states, []store.PartState(nil))
	})
}

func TestCrewsSignOnAndOff(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		must(t, s.SignOn(ctx, store.Crew{ID: "a", Hands: 2, Version: "v1", Archive: "x"}))
		must(t, s.SignOn(ctx, store.Crew{ID: "b", Hands: 1}))
		must(t, s.SignOn(ctx, store.Crew{ID: "a", Hands: 4, Version: "v1", Archive: "x"}))
		list, err := s.Crews(ctx)
		must(t, err)
		for i := range list {
			if list[i].Silent > time.Minute {
				t.Errorf("%s signed on just now, and is silent for %s", list[i].ID, list[i].Silent)
			}
			list[i].Silent = 0
		}
		same(t, "crews", list, []store.Crew{{ID: "a", Hands: 4, Version: "v1", Archive: "x"}, {ID: "b", Hands: 1}})
		must(t, s.SignOff(ctx, "b"))
		store.Age(s, 2*time.Hour)
		must(t, s.SignOn(ctx, store.Crew{ID: "c", Hands: 1}))
		list, err = s.Crews(ctx)
		must(t, err)
		if len(list) != 1 || list[0].ID != "c" {
			t.Errorf("crews: %+v", list)
		}
	})
}
