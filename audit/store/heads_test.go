package store_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/s3"
	"github.com/mailreeve/mailreeve/internal/s3test"
)

// Heads in object storage are objects of their own, which nobody overwrites; the trail is held against all of them.
func TestHeadsInObjectStorage(t *testing.T) {
	server := s3test.Start(t)
	s3test.Use(t, server.Address)
	ctx, bucket := t.Context(), server.Bucket(t)
	s := open(t, "sqlite://"+filepath.Join(t.TempDir(), "store.db"))
	kept, err := store.HeadsInBucket(s3.FromEnvironment(), "s3://"+bucket+"/archive/")
	must(t, err)
	if n, err := s.Agrees(ctx, kept); n != 0 || err != nil {
		t.Fatalf("before there are any: %d %v", n, err)
	}
	var last audit.TrailHead
	for range 3 {
		must(t, s.Record(ctx, entry("filed", "F-1")))
		last, err = s.Head(ctx)
		must(t, err)
		must(t, kept.Append(ctx, last, "run"))
		must(t, kept.Append(ctx, last, "another who says the same"))
	}
	server.Put(t, bucket, "archive/heads/README", []byte("not a head"))
	if n, err := s.Agrees(ctx, kept); n != 3 || err != nil {
		t.Fatalf("%d %v", n, err)
	}
	for _, name := range []string{"trail_keeps_entries", "trail_keeps_words", "trail_appends"} {
		must(t, s.Exec(ctx, `DROP TRIGGER `+name))
	}
	must(t, s.Exec(ctx, `DELETE FROM trail WHERE seq = 3`))
	var lost *store.LostHeadError
	if _, err := s.Agrees(ctx, kept); !errors.As(err, &lost) || lost.Head != last || lost.In != kept {
		t.Errorf("a trail that was cut off: %v", err)
	}
}
