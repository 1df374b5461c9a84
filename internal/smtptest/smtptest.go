//go:build unix

// Package smtptest gives tests a mail server of their own: mailpit, built once from its module, in the version that mailpit/go.mod names. It takes
// mail by SMTP, with STARTTLS and authentication where it is told to, and shows what it has by HTTP.
package smtptest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/internal/child"
	"github.com/mailreeve/mailreeve/internal/tool"
)

// The credentials of a server that asks for some. No output may hold them.
const (
	Username = "mailreeve-test"
	Password = "the-password-of-nobody-at-all"
)

// Host is the name in the certificate of a server with TLS.
const Host = "mail.platform.example"

// Options say how a server is reached.
type Options struct {
	Auth     bool   // it asks for Username and Password
	STARTTLS bool   // it insists on STARTTLS
	TLS      bool   // it speaks TLS from the first byte
	Only     string // a regular expression of the recipients that it takes; "": all
}

// A Server is a mail server for tests.
type Server struct {
	SMTP  string         // host:port
	HTTP  string         // host:port of its pages
	Roots *x509.CertPool // what its certificate is signed by; nil: it has none
}

// Start starts a server, which ends with t. Where it cannot be built, t is skipped, but fails when CI=true.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	binary, err := tool.Build("internal/smtptest/mailpit", "github.com/axllent/mailpit", "")
	if err != nil {
		if os.Getenv("CI") != "true" {
			t.Skipf("no mail server to test with: mailpit cannot be built: %v", err)
		}
		t.Fatal(err)
	}
	s := &Server{SMTP: free(t), HTTP: free(t)}
	args := []string{"--smtp", s.SMTP, "--listen", s.HTTP, "--quiet", "--disable-version-check", "--smtp-disable-rdns", "--max", "0"}
	dir := t.TempDir()
	if o.Only != "" {
		args = append(args, "--smtp-allowed-recipients", o.Only)
	}
	if o.Auth {
		file := filepath.Join(dir, "auth")
		write(t, file, []byte(Username+":"+Password+"\n"))
		args = append(args, "--smtp-auth-file", file)
		if !o.STARTTLS && !o.TLS {
			args = append(args, "--smtp-auth-allow-insecure")
		}
	}
	if o.STARTTLS || o.TLS {
		cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		s.Roots = certify(t, cert, key)
		args = append(args, "--smtp-tls-cert", cert, "--smtp-tls-key", key)
		if o.TLS {
			args = append(args, "--smtp-require-tls")
		} else {
			args = append(args, "--smtp-require-starttls")
		}
	}
	process := exec.Command(binary, args...)
	process.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir}
	process.SysProcAttr = &syscall.SysProcAttr{}
	child.DieWithParent(process.SysProcAttr, syscall.SIGKILL)
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill() // it may be dead already
		_ = process.Wait()
	})
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if s.ready() {
			return s
		}
		if time.Now().After(end) {
			t.Fatal("the mail server does not answer")
		}
	}
}

func (s *Server) ready() bool {
	res, err := http.Get("http://" + s.HTTP + "/readyz")
	if err != nil {
		return false
	}
	_ = res.Body.Close() // the status is all
	c, err := net.Dial("tcp", s.SMTP)
	if err != nil {
		return false
	}
	_ = c.Close() // it listens: that is all
	return res.StatusCode == http.StatusOK
}

// A Message is what the server says of a mail that it has.
type Message struct {
	ID        string
	MessageID string
	Created   time.Time // when the server took it
}

// Messages are the mails that the server has, the newest first.
func (s *Server) Messages(t testing.TB) []Message {
	t.Helper()
	var list struct {
		Messages []Message `json:"messages"`
	}
	if err := json.Unmarshal(s.get(t, "/api/v1/messages?limit=10000"), &list); err != nil {
		t.Fatal(err)
	}
	return list.Messages
}

// Raw is a mail as the server got it.
func (s *Server) Raw(t testing.TB, id string) []byte {
	t.Helper()
	return s.get(t, "/api/v1/message/"+id+"/raw")
}

func (s *Server) get(t testing.TB, path string) []byte {
	t.Helper()
	res, err := http.Get("http://" + s.HTTP + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	p, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, res.Status)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// free is an address of this machine that nobody listens on.
func free(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// certify writes a certificate for Host and its key, and gives what it is signed by.
func certify(t testing.TB, cert, key string) *x509.CertPool {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: Host}, DNSNames: []string{Host}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	write(t, cert, public)
	write(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(public)
	return pool
}
