package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

func TestTokens(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		x := store.Token{Name: "siem", Digest: "d1", Scopes: []string{"findings:read", "trail:read"}, CreatedBy: "cli:ann@host", Created: t0, Expires: t0.Add(time.Hour), Used: audit.Never, Revoked: audit.Never}
		must(t, s.CreateToken(ctx, x))
		other := x
		other.Name, other.Digest = "bot", "d2"
		must(t, s.CreateToken(ctx, other))
		again := x
		again.Digest = "d3"
		is(t, s.CreateToken(ctx, again), store.ErrTaken)

		found, err := s.Token(ctx, "d1")
		must(t, err)
		same(t, "the token", found, x)
		_, err = s.Token(ctx, "d3")
		is(t, err, store.ErrNotFound)
		for at, want := range map[audit.Instant]string{t0: store.TokenWorks, t0.Add(time.Hour - 1): store.TokenWorks, t0.Add(time.Hour): "expired"} {
			if got := found.State(at); got != want {
				t.Errorf("at %s it %s, want %s", at, got, want)
			}
		}

		must(t, s.UseToken(ctx, "siem", t0.Add(2*time.Minute)))
		must(t, s.UseToken(ctx, "siem", t0.Add(time.Minute))) // came late
		revoked, err := s.RevokeToken(ctx, "siem", "cli:bob@host", t0.Add(3*time.Minute))
		must(t, err)
		x.Used, x.Revoked, x.RevokedBy = t0.Add(2*time.Minute), t0.Add(3*time.Minute), "cli:bob@host"
		same(t, "once it is revoked", revoked, x)
		revoked, err = s.RevokeToken(ctx, "siem", "cli:eve@host", t0.Add(4*time.Minute))
		must(t, err)
		same(t, "once it is revoked again", revoked, x)
		if got := revoked.State(t0); got != "revoked" {
			t.Errorf("a revoked token is %s", got)
		}
		_, err = s.RevokeToken(ctx, "none", "cli:bob@host", t0)
		is(t, err, store.ErrNotFound)
		is(t, s.CreateToken(ctx, again), store.ErrTaken) // its name stays its own
		list, err := s.Tokens(ctx)
		must(t, err)
		same(t, "all tokens", list, []store.Token{other, x})

		trail, err := s.Trail(ctx, store.TrailFilter{})
		must(t, err)
		var said []string
		for _, e := range trail {
			name, _ := e.Details["token"].(string)
			said = append(said, e.Who+" "+e.What+" "+name)
		}
		same(t, "the trail", said, []string{"cli:ann@host token created siem", "cli:ann@host token created bot", "cli:bob@host token revoked siem"})

		ended, end := context.WithCancel(ctx)
		end()
		if err := s.UseToken(ended, "bot", t0); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that is over: %v", err)
		}
	})
}
