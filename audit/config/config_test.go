package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

func load(t *testing.T, text string) (*Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mailreeve.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(path)
}

// An error says where, what, and what to do.
func TestMistakesAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"store: sqlite://x.db\nchannel: audit\n":                        `mailreeve.yaml: line 2: unknown key "channel"`,
		"sources:\n  - {kind: access, path: a, max_ages: 1h}\n":         `line 2: unknown key "max_ages"`,
		"sources:\n  - {kind: acess, path: a}\n":                        `sources[0]: kind: "acess" is none of access, reports`,
		"sources: [{kind: access}]\n":                                   `sources[0] (access): path is missing`,
		"sources: [{kind: access, path: '[', max_bad: 0.5}]\n":          `is no pattern`,
		"sources: [{kind: access, path: a, max_bad: 5}]\n":              `max_bad: give a share from 0 to 1`,
		"sources: [{kind: access, path: a}, {kind: access, path: a}]\n": `sources[1] (access): path: "a" is configured twice`,
		"sources: [{kind: access, path: a, max_age: soon}]\n":           `line 1: "soon" is no duration`,
		"sources: [{kind: access, path: a, max_age: -1h}]\n":            `cannot be negative`,
		"store: mysql://x\n":                                            `store: "mysql://x" is neither sqlite://PATH nor postgres://`,
		"archive: s3://KEY:SECRET@bucket/x\n":                           `archive: s3:// is not followed by the name of a bucket`,
		"notices: {approve: maybe}\n":                                   `notices: approve: "maybe" is neither manual nor auto`,
		"notices: {form_url: 'javascript:x'}\n":                         `notices: form_url: "javascript:x" is no http or https URL`,
		"log: {level: loud}\n":                                          `log: level: "loud" is none of`,
		"alerts: {quarantined: 1.5}\n":                                  `alerts: quarantined: give a share`,
		"alerts: {mail: [ops@platform.example]}\n":                      `alerts: mail: nobody can be written to without notices.smtp`,
		"slack: {routes: [{severity: [critical]}]}\n":                   `slack: routes[0]: channel is missing`,
		"slack: {routes: [{severity: [bad], channel: c}]}\n":            `slack: routes[0]: severity: "bad" is none of critical`,
		"slack: {reviewers: [ann]}\n":                                   `slack: reviewers[0]: "ann" is no id of a Slack user`,
		"workers: -1\n":                                                 `workers: give a number`,
		"store: [\n":                                                    `mailreeve.yaml: line`,
		"policy: gone.yaml\n":                                           `policy: open`,
	} {
		_, err := load(t, text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want …%s…", text, err, want)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml")); err == nil || !strings.Contains(err.Error(), "mailreeve init") {
		t.Errorf("a missing file: %v", err)
	}
}

// Of what is wrong elsewhere, too, as far as the file says something of it.
func TestMistakesHaveLines(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"log:\n  format: text\n  level: loud\n":                                       `mailreeve.yaml: line 3: log: level: "loud"`,
		"workers: 2\nnotices: {smtp: smtp://x, approve: maybe}\n":                     `line 2: notices: approve: "maybe"`,
		"slack:\n  reviewers:\n    - U024BE7LH\n    - ann\n":                          `line 4: slack: reviewers[1]: "ann"`,
		"slack:\n  routes:\n    - channel: x\n    - severity: [high]\n":               `line 4: slack: routes[1]: channel is missing`,
		"workers: 2\n\npolicy: gone.yaml\n":                                           `line 3: policy: open`,
		"store: mysql://x\n":                                                          `line 1: store: "mysql://x"`,
		"log:\n  level: info\nworkers: many\n":                                        "line 3: `many` does not fit here, where a whole number is expected",
		"slack:\n  account_ids: perhaps\n":                                            "line 2: `perhaps` does not fit here, where true or false is expected",
		"slack:\n  reviewers: U024BE7LH\n":                                            "line 2: `U024BE7LH` does not fit here, where a list is expected",
		"notices: none\n":                                                             "line 1: `none` does not fit here, where a mapping of keys is expected",
		"sources:\n  - kind: installs\n    path: a\n    complete_since: 01.01.2026\n": `line 4: "01.01.2026" is no time: write it like 2024-01-01T00:00:00Z`,
		"metrics: {listen: '9464'}\n":                                                 `line 1: metrics: listen: "9464" is no host:port`,
		"log:\n\tlevel: info\n":                                                       "line 2: found character that cannot start any token: see there, and in the line before, that it is indented by spaces alone",
	} {
		if _, err := load(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want …%s…", text, err, want)
		}
	}
	c, err := load(t, "log: {level: info}\n")
	if err != nil {
		t.Fatal(err)
	}
	for err, want := range map[string]string{"schedule: it never comes": "schedule: it never comes", "log: level: x": "line 1: log: level: x", "what: ever": "what: ever"} {
		if got := c.Located(errors.New(err)); got.Error() != want {
			t.Errorf("%s: %s", err, got)
		}
	}
}

// Of what is wrong with a source, its line is told.
func TestMistakesOfSourcesHaveLines(t *testing.T) {
	const gateway = "sources:\n  - kind: access\n    path: a.log\n    format: nginx\n    purposes: false\n"
	const mapped = gateway + "    map:\n      auth: =oauth2\n      cloud_id: host\n"
	for text, want := range map[string]string{
		"sources:\n  - kind: apps\n    path: a\n    max_bad: 5\n":     "line 4: sources[0] (apps): max_bad: give a share",
		"sources:\n  - {kind: apps, path: a}\n  - kind: apps\n":       "line 3: sources[1] (apps): path is missing",
		"sources:\n  - kind: access\n    path: a\n    format: iis\n":  `line 4: sources[0] (access): format: "iis" is none of csv, ecs`,
		"sources:\n  - kind: access\n    path: a\n    map: {ts: t}\n": "line 4: sources[0] (access): map: only with a format",
		"sources:\n  - kind: reports\n    path: a\n    format: csv\n": "line 4: sources[0] (reports): format: only access logs",
		gateway: "line 2: sources[0] (access): map: app_key: nginx does not tell it",
		mapped:  "line 6: sources[0] (access): map: app_key: nginx does not tell it",
		mapped + "      app_key: header:X-App\n      clou_id: host\n":                                                                                            "line 10: sources[0] (access): map: clou_id: no such field",
		mapped + "      app_key: 'path:^/x'\n":                                                                                                                   "line 9: sources[0] (access): map: app_key: \"^/x\" has 0 groups",
		mapped + "      app_key: {x: y}\n":                                                                                                                       "line 9: give the place of the field",
		mapped + "      app_key: x\n    log_format: '$a$b'\n":                                                                                                    "line 10: sources[0] (access): log_format: nothing stands between a and b",
		mapped + "      app_key: x\n    time_zone: Mars\n":                                                                                                       "line 10: sources[0] (access): time_zone: \"Mars\" is no time zone",
		mapped + "      app_key: x\n      purpose: p\n    words: {auth: {pat: token}}\n":                                                                         "line 11: sources[0] (access): words: auth: \"pat\" means \"token\", which is none of connect-jwt",
		mapped + "      app_key: x\n    paths: (\n":                                                                                                              "line 10: sources[0] (access): paths: ",
		"sources:\n  - kind: access\n    path: a\n    format: nginx\n    map: {auth: =oauth2, cloud_id: host, app_key: x}\n":                                     "line 5: sources[0] (access): map: purpose: nginx does not tell it: say where it is, or purposes: false",
		"sources:\n  - kind: apps\n    http: {url: 'ftp://x'}\n":                                                                                                 "line 3: sources[0] (apps): http: url: give a URL",
		"sources:\n  - kind: apps\n    http: {url: 'https://ann:pw@x.example/'}\n":                                                                               "holds no user and no password",
		"sources:\n  - kind: apps\n    http: {url: 'http://x.example/', token_env: T}\n":                                                                         "a token does not travel unencrypted",
		"sources:\n  - kind: apps\n    http: {url: 'https://x.example/', token_env: T, token_file: f}\n":                                                         "give one of token_env and token_file",
		"sources:\n  - kind: apps\n    http: {url: 'https://x.example/', cursor: c}\n":                                                                           "say where a page has it, with next",
		"sources:\n  - kind: apps\n    path: a\n    http: {url: 'https://x.example/'}\n":                                                                         "give one of path, http and postgres",
		"sources:\n  - kind: access\n    http: {url: 'https://x.example/'}\n":                                                                                    "http and postgres are for apps and installs",
		"sources:\n  - kind: apps\n    http: {uri: 'https://x.example/'}\n":                                                                                      `line 3: unknown key "uri"`,
		"sources:\n  - kind: apps\n    postgres: {dsn_env: A, dsn_file: b, query: SELECT 1}\n":                                                                   "line 3: sources[0] (apps): postgres: give one of dsn_env and dsn_file",
		"sources:\n  - kind: apps\n    postgres: {dsn_env: A, query: ' '}\n":                                                                                     "postgres: query is missing",
		"sources:\n  - {kind: apps, postgres: {dsn_env: A, query: SELECT 1}}\n  - {kind: apps, postgres: {dsn_env: A, query: SELECT 2}}\n":                       "line 3: sources[1] (apps): postgres:A is asked for apps twice: join both in one query",
		"sources:\n  - {kind: installs, postgres: {dsn_file: /a/dsn, query: SELECT 1}}\n  - kind: installs\n    postgres: {dsn_file: /a/dsn, query: SELECT 2}\n": "line 4: sources[1] (installs): postgres:/a/dsn is asked for installs twice: join both in one query",
		"sources:\n  - kind: apps\n    http: {url: 'https://x.example/a?k=17'}\n  - kind: apps\n    http: {url: 'https://x.example/a?k=18'}\n":                   "line 5: sources[1] (apps): http: https://x.example/a is asked for apps twice: join both in one URL",
		"sources:\n  - kind: apps\n    http:\n      items: a\n      url: ftp://x\n":                                                                              "line 5: sources[0] (apps): http: url: give a URL",
		"sources:\n  - kind: apps\n    http: {url: 'https://x.example/'}\n  - kind: installs\n    postgres: &p\n      dsn_env: A\n      query: ''\n":             "line 7: sources[1] (installs): postgres: query is missing",
		"log: {level: info}\nsources:\n  - &s\n    kind: apps\n    path: a\n  - *s\n":                                                                            "line 5: sources[1] (apps): path: \"a\" is configured twice",
		"sources:\n  - kind: installs\n    http:\n      url: https://x.example/\n      cursor: c\n":                                                              "line 5: sources[0] (installs): http: cursor: say where",
	} {
		if _, err := load(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	const dsns = "sources:\n  - {kind: apps, postgres: {dsn_file: /a/dsn, query: SELECT 1}}\n  - {kind: apps, postgres: {dsn_file: /b/dsn, query: SELECT 1}}\n"
	if _, err := load(t, dsns); err != nil {
		t.Errorf("two databases whose files have one name are not the same: %v", err)
	}
	c, err := load(t, mapped+"      app_key: [header:X-App, 'query:app']\n  - {kind: apps, http: {url: 'https://x.example/apps?secret=17', token_env: T}}\n  - {kind: installs, postgres: {dsn_file: /run/dsn, query: SELECT 1}}\n")
	if err != nil {
		t.Fatal(err)
	}
	if f, err := c.Sources[0].Lines(); err != nil || !slices.Equal(f.Spec().Map["app_key"], []string{"header:X-App", "query:app"}) {
		t.Errorf("%v, %v", f, err)
	}
	if a, b := c.Sources[1].Name(), c.Sources[2].Name(); a != "https://x.example/apps#apps" || b != "postgres:/run/dsn#installs" || strings.Contains(c.Shown(), "secret") {
		t.Errorf("%s, %s\n%s", a, b, c.Shown())
	}
}

func TestPathsAreRelativeToTheFile(t *testing.T) {
	c, err := load(t, "sources: [{kind: installs, path: logs/*.jsonl, complete_since: 2024-01-01T00:00:00Z}, {kind: access, path: /abs, purposes: false}]\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Resolve(c.Sources[0].Path); got != filepath.Join(c.Dir, "logs/*.jsonl") {
		t.Error(got)
	}
	if got := c.Resolve(c.Sources[1].Path); got != "/abs" {
		t.Error(got)
	}
	if got := c.StoreURL(); got != "sqlite://"+filepath.Join(c.Dir, "mailreeve.db") {
		t.Error(got)
	}
	r := c.Rules()
	if r.Purposes || r.CompleteSince.String() != "2024-01-01T00:00:00Z" {
		t.Errorf("%+v", r)
	}
}

func TestAPolicyOverridesParts(t *testing.T) {
	base, err := ParsePolicy("", nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParsePolicy("policy.yaml", []byte("reporting: {period: 30d, closed_grace: 1d12h}\nsuppress: {worsened_accounts: 0}\npurposes: {approvable: [code-review], synonyms: {mktg: marketing}}\ndeadlines: {critical: 14d}\n"))
	if err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	if p.ReportingPeriod != 30*day || p.ClosedGrace != 36*time.Hour || p.UninstallGrace != 5*time.Minute || p.WorsenedAccounts != 0 || !p.IsApprovable("code-review") || p.IsApprovable("user-sync") ||
		p.Purpose("mktg") != "marketing" || !p.IsProhibited("marketing") || p.Deadlines[audit.Critical] != 14*day || p.Deadlines[audit.Low] != 175*day {
		t.Errorf("%+v", p)
	}
	if p.Digest == base.Digest || !strings.HasPrefix(p.Digest, "sha256:") {
		t.Errorf("digests %s and %s", p.Digest, base.Digest)
	}
	for text, want := range map[string]string{
		"reporting: {period: 36h}":                              "whole days",
		"retention: {calls: 20d}":                               "more than twice reporting.period",
		"retention: {calls: 40d}\nmail: {fresh_retrieval: 39d}": "two days more than mail.fresh_retrieval",
		"retention: {findings: 89d}":                            "no less than retention.calls",
		"retention: {trail: 700d}":                              "no less than retention.findings",
		"retention: {trails: 700d}":                             "line 1",
		"probing: {calls: 0}":                                   "1 or more",
		"drift: {accounts: 0}":                                  "1 or more",
		"drift: {share: 1.5}":                                   "a share from 0 to 1",
		"drift: {learning: 36h}":                                "whole days",
		"deadlines: {urgent: 1d}":                               `"urgent" is none of`,
		"purposes: {approvable: [marketing]}":                   "both approvable and prohibited",
		"four_eyes: [fire]":                                     `four_eyes: "fire" is none of none, warn`,
		"notices: {reminders: [3d, 14d]}":                       "from the earliest to the latest",
		"notices: {clean_nights: 0}":                            "give 1 or more",
		"probing: {calls: 4}\n---\nnonsense: 1\n":               `policy.yaml: line 2: a second document begins`,
		"purpose: {}":                                           `policy.yaml: line 1: unknown key "purpose"`,
		"suppress: {worsened_accounts: -1}":                     "0 or more",
	} {
		if _, err := ParsePolicy("policy.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want …%s…", text, err, want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte("reporting: {period: 15d}\npurposes: {synonyms: {a: b}}"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, err := ParsePolicy("policy.yaml", text); err == nil && p.ReportingDays() < 1 {
			t.Errorf("a period of %s", p.ReportingPeriod)
		}
		c := &Config{}
		_ = decode("mailreeve.yaml", text, c) // must not panic
	})
}

func TestPagesToCapture(t *testing.T) {
	c, err := load(t, "capture:\n  urls:\n    - https://a.example/\n    - {url: https://b.example/, app: com.b, site: s, viewer: v, cookies_file: c.txt, headers_file: h}\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []CapturePage{{URL: "https://a.example/"}, {URL: "https://b.example/", App: "com.b", Site: "s", Viewer: "v", CookiesFile: "c.txt", HeadersFile: "h"}}
	if !slices.Equal(c.Capture.URLs, want) {
		t.Errorf("%+v", c.Capture.URLs)
	}
	for text, want := range map[string]string{
		"capture:\n  urls:\n    - {app: com.b}\n":                       "line 3: this page has no url",
		"capture:\n  urls:\n    - {url: https://b.example/, apps: x}\n": "line 3: unknown key \"apps\"",
		"capture:\n  urls:\n    - [https://b.example/]\n":               "line 3: a page of capture.urls is a URL",
		"capture:\n  urls:\n    - {url: [x]}\n":                         "line 3",
	} {
		if _, err := load(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// A policy of a platform of its own: scopes, and what vendors have to do, which changes no judgment.
func TestAPlatformsOwnScopesAndRemedies(t *testing.T) {
	t.Parallel()
	base, err := ParsePolicy("", nil)
	if err != nil {
		t.Fatal(err)
	}
	const scopes = "platform:\n  scopes: ['user:email']\n"
	p, err := ParsePolicy("policy.yaml", []byte(scopes+"checks:\n  access-not-app: {remediation: Call as an app. Write to ann@people.example}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if !p.IsEmailScope("User:Email") || p.IsEmailScope("ACCESS_EMAIL_ADDRESSES") || !base.IsEmailScope("read:email-address:jira") {
		t.Errorf("%v", p.EmailScopes())
	}
	if text := p.Remedies["access-not-app"].Text; !strings.HasPrefix(text, "Call as an app. ") || strings.Contains(text, "ann@") || len(p.Checks) > 0 {
		t.Errorf("%q, %v", text, p.Checks)
	}
	bare, err := ParsePolicy("policy.yaml", []byte(scopes))
	if err != nil || bare.Digest != p.Digest || bare.Digest == base.Digest {
		t.Errorf("%v: words change the digest, or scopes do not", err)
	}
	for text, want := range map[string]string{
		"probing: {calls: 3}\nplatform:\n  scopes: []\n":      "policy.yaml: line 3: platform: scopes: name the scopes that give addresses",
		"platform:\n  scopes:\n    - user:email\n    - ' '\n": "policy.yaml: line 4: platform: scopes: an empty name",
	} {
		if _, err := ParsePolicy("policy.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What names no purpose is likely a slip.
func TestDoubts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "policy.yaml")
	for text, want := range map[string][]string{
		"purposes:\n  approvable: [reviews]\n  synonyms:\n    r: reviews\n    x: review\ndrift:\n  single:\n    - reviews\n    - marketing\n    - news\n": {
			`line 5: purposes: synonyms: "x" means "review", which is neither`, `line 10: drift: single: "news" is neither`},
		"\npurposes: {approvable: [reviews]}\n":                                          {"line 2: purposes: approvable: drift.single and drift.chosen name none of them"},
		"purposes: {approvable: [reviews]}\nchecks: {purpose-drift: {enabled: false}}\n": nil,
		"probing: {calls: 3}\n":                                                          nil,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := ParsePolicy(path, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got := (&Config{Dir: filepath.Dir(path), PolicyFile: "policy.yaml", Policy: p}).PolicyDoubts()
		if !slices.EqualFunc(got, want, func(err error, want string) bool { return strings.Contains(err.Error(), want) }) {
			t.Errorf("%q: %v", text, got)
		}
	}
}
