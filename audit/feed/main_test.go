package feed

import (
	"os"
	"testing"

	"github.com/mailreeve/mailreeve/internal/pgtest"
)

var cluster pgtest.Cluster

func TestMain(m *testing.M) {
	code := m.Run()
	cluster.Close()
	os.Exit(code)
}
