// Package config reads mailreeve.yaml and the policy file. What is unknown or cannot be is an error that names file, line and mend.
package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/format"
	"github.com/mailreeve/mailreeve/internal/outbound"
	"github.com/mailreeve/mailreeve/internal/s3"
)

// Config is mailreeve.yaml. Paths in it are as written; Dir is what relative ones are relative to.
type Config struct {
	Dir  string `yaml:"-"`
	Path string `yaml:"-"`

	Store          string    `yaml:"store"`
	Archive        string    `yaml:"archive"`
	Schedule       string    `yaml:"schedule"`
	PolicyFile     string    `yaml:"policy"`
	Sources        []Source  `yaml:"sources"`
	AddressKeyFile string    `yaml:"address_key_file"`
	Slack          Slack     `yaml:"slack"`
	Notices        Notices   `yaml:"notices"`
	Console        Console   `yaml:"console"`
	Vendor         Vendor    `yaml:"vendor"`
	Webhooks       []Webhook `yaml:"webhooks"`
	Jira           Jira      `yaml:"jira"`
	Capture        Capture   `yaml:"capture"`
	Heartbeat      Heartbeat `yaml:"heartbeat"`
	Alerts         Alerts    `yaml:"alerts"`
	Workers        int       `yaml:"workers"`
	Metrics        Metrics   `yaml:"metrics"`
	Log            Log       `yaml:"log"`

	Policy *audit.Policy `yaml:"-"`

	sheet sheet // the file; zero: it was not read from one
}

// line is where a key of a source stands, or the nearest that is there above it, in words; "": it was not read from a file.
func (c *Config) line(source int, keys ...string) string {
	path := []any{"sources", source}
	for _, key := range keys {
		path = append(path, key)
	}
	if at := c.sheet.at(path...); at.Line > 0 {
		return fmt.Sprintf("line %d: ", at.Line)
	}
	return ""
}

// Line is the line of a key, or of the nearest that is there above it; 0: the file says nothing of it.
func (c *Config) Line(path ...any) int { return c.sheet.at(path...).Line }

// keyPrefix is a key, with an index where it is a list's, as errors begin.
var keyPrefix = regexp.MustCompile(`^([a-z][a-z0-9_]*)(?:\[(\d+)\])?(?:: |\.)`)

// Located puts the line before an error that begins with the keys that it is about, as in "notices: approve: …" or "webhooks[0]: url: …".
func (c *Config) Located(err error) error {
	if err == nil {
		return nil
	}
	var path []any
	for rest := err.Error(); ; {
		m := keyPrefix.FindStringSubmatch(rest)
		if m == nil {
			break
		}
		path, rest = append(path, m[1]), rest[len(m[0]):]
		if n, err := strconv.Atoi(m[2]); err == nil {
			path = append(path, n)
		}
	}
	if n := c.Line(path...); n > 0 {
		return fmt.Errorf("line %d: %w", n, err)
	}
	return err
}

// Source is where facts come from.
type Source struct {
	Kind          string   `yaml:"kind"`
	Path          string   `yaml:"path"` // a file or a pattern
	MaxAge        Duration `yaml:"max_age"`
	MaxBad        *float64 `yaml:"max_bad"`  // share of bad lines, of 1,000 or more, at which a file is not taken; 0.05
	MaxLoss       *float64 `yaml:"max_loss"` // share of the registry's apps that may be missing; unset: any
	Purposes      *bool    `yaml:"purposes"` // the log carries declared purposes; true
	CompleteSince *Moment  `yaml:"complete_since"`
	AuthservID    string   `yaml:"authserv_id"`

	Format    string                       `yaml:"format"`     // access: of its lines; "" or jsonl: mailreeve's own
	Map       map[string]places            `yaml:"map"`        // a field, and where such lines have it
	Words     map[string]map[string]string `yaml:"words"`      // auth, status: what the log's own words mean
	LogFormat string                       `yaml:"log_format"` // how nginx or envoy was told to lay lines out
	TimeZone  string                       `yaml:"time_zone"`  // of times without an offset; UTC
	Paths     string                       `yaml:"paths"`      // a regular expression: only calls of such paths are read

	HTTP     *HTTP     `yaml:"http"`     // apps, installs: in place of path
	Postgres *Postgres `yaml:"postgres"` // likewise
}

// HTTP is a source that is asked for by HTTP.
type HTTP struct {
	URL          string `yaml:"url"`
	TokenEnv     string `yaml:"token_env"`
	TokenFile    string `yaml:"token_file"`
	Items        string `yaml:"items"`  // where in a page its list is, as data.apps; "": the page is the list, or JSON Lines
	Next         string `yaml:"next"`   // where in a page the next page's cursor, or URL, is; "": the Link header tells
	Cursor       string `yaml:"cursor"` // the parameter that takes the cursor; "": next is a URL
	AllowPrivate bool   `yaml:"allow_private"`
}

// Postgres is a source that is a query of a database.
type Postgres struct {
	DSNEnv  string `yaml:"dsn_env"`
	DSNFile string `yaml:"dsn_file"`
	Query   string `yaml:"query"`
}

// places are where a field may be found: one, or a list.
type places []string

// UnmarshalYAML reads one place or a list of them.
func (p *places) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*p = places{n.Value}
		return nil
	}
	var list []string
	if err := n.Decode(&list); err != nil {
		return fmt.Errorf("line %d: give the place of the field, or a list of places", n.Line)
	}
	*p = list
	return nil
}

// Name is the source as people and evidence know it: what it says under path, or the place of what it asks. It is no secret.
func (s *Source) Name() string {
	switch {
	case s.HTTP != nil:
		base, _, _ := strings.Cut(s.HTTP.URL, "?")
		return base + "#" + s.Kind
	case s.Postgres != nil:
		return "postgres:" + cmp.Or(s.Postgres.DSNEnv, s.Postgres.DSNFile) + "#" + s.Kind
	}
	return s.Path
}

// Lines is how the source's lines are made; nil: as mailreeve asks for.
func (s *Source) Lines() (*format.Format, error) {
	if s.Format == "" || s.Format == own {
		return nil, nil
	}
	spec := format.Spec{Name: s.Format, Line: s.LogFormat, Zone: s.TimeZone, Paths: s.Paths, Words: s.Words}
	if len(s.Map) > 0 {
		spec.Map = map[string][]string{}
		for field, from := range s.Map {
			spec.Map[field] = from
		}
	}
	return spec.Compile()
}

const own = "jsonl"

// checkLines says what is wrong with how the source's lines are to be read, and under which keys.
func (s *Source) checkLines() (keys []string, err error) {
	if s.Format == "" || s.Format == own {
		var key string
		switch {
		case len(s.Map) > 0:
			key = "map"
		case len(s.Words) > 0:
			key = "words"
		case s.LogFormat != "":
			key = "log_format"
		case s.TimeZone != "":
			key = "time_zone"
		case s.Paths != "":
			key = "paths"
		default:
			return nil, nil
		}
		return []string{key}, fmt.Errorf("%s: only with a format: one of %s", key, strings.Join(format.Names(), ", "))
	}
	if s.Kind != string(audit.KindAccess) {
		return []string{"format"}, errors.New("format: only access logs have other ones")
	}
	f, err := s.Lines()
	var wrong *format.SpecError
	switch {
	case errors.As(err, &wrong):
		return []string{wrong.Key, wrong.Field}, err
	case err != nil:
		return nil, err
	case !f.Has(format.Purpose) && (s.Purposes == nil || *s.Purposes):
		return []string{"map"}, fmt.Errorf("map: purpose: %s does not tell it: say where it is, or purposes: false where the log has none", s.Format)
	}
	auth := s.Words[format.Auth]
	for _, word := range slices.Sorted(maps.Keys(auth)) {
		if means := auth[word]; audit.ParseAuth([]byte(means)) == 0 {
			return []string{"words", format.Auth}, fmt.Errorf("words: auth: %q means %q, which is none of %s", word, means, audit.AuthNames())
		}
	}
	return nil, nil
}

// checkFeed says what is wrong with a source that is no file, and under which keys.
func (s *Source) checkFeed() (keys []string, err error) {
	switch {
	case s.HTTP == nil && s.Postgres == nil:
		return nil, nil
	case s.Kind != string(audit.KindApps) && s.Kind != string(audit.KindInstalls):
		return nil, errors.New("http and postgres are for apps and installs")
	case s.HTTP != nil && s.Postgres != nil || s.Path != "":
		return nil, errors.New("give one of path, http and postgres")
	case s.HTTP != nil:
		h := s.HTTP
		if err := outbound.Check(h.URL); err != nil {
			return []string{"http", "url"}, fmt.Errorf("http: url: %w", err)
		}
		if h.TokenEnv != "" && h.TokenFile != "" {
			return []string{"http"}, errors.New("http: give one of token_env and token_file")
		}
		if u, err := url.Parse(h.URL); err == nil && u.Scheme == "http" && (h.TokenEnv != "" || h.TokenFile != "") && !h.AllowPrivate {
			return []string{"http", "url"}, errors.New("http: url: a token does not travel unencrypted: give an https:// URL")
		}
		if h.Cursor != "" && h.Next == "" {
			return []string{"http", "cursor"}, errors.New("http: cursor: say where a page has it, with next")
		}
		return nil, nil
	}
	if (s.Postgres.DSNEnv == "") == (s.Postgres.DSNFile == "") {
		return []string{"postgres"}, errors.New("postgres: give one of dsn_env and dsn_file: where the address of the database is")
	}
	if strings.TrimSpace(s.Postgres.Query) == "" {
		return []string{"postgres", "query"}, errors.New("postgres: query is missing")
	}
	return nil, nil
}

// checkTwice says what is wrong with another source of the same kind that has the name of s, and under which key.
func (s *Source) checkTwice() (key string, err error) {
	place, _ := strings.CutSuffix(s.Name(), "#"+s.Kind)
	switch {
	case s.HTTP != nil:
		return "http", fmt.Errorf("http: %s is asked for %s twice: join both in one URL, whose query does not count here", place, s.Kind)
	case s.Postgres != nil:
		return "postgres", fmt.Errorf("%s is asked for %s twice: join both in one query, with UNION ALL", place, s.Kind)
	}
	return "path", fmt.Errorf("path: %q is configured twice", s.Path)
}

// Slack is where the compliance team reads.
type Slack struct {
	Channel          string       `yaml:"channel"`
	TokenEnv         string       `yaml:"token_env"`
	AppTokenEnv      string       `yaml:"app_token_env"`
	SigningSecretEnv string       `yaml:"signing_secret_env"`
	APIURL           string       `yaml:"api_url"`
	AccountIDs       bool         `yaml:"account_ids"`
	Routes           []SlackRoute `yaml:"routes"`    // the first that fits counts
	Reviewers        []string     `yaml:"reviewers"` // ids of the users who may press buttons
}

// SlackRoute sends some findings to another channel.
type SlackRoute struct {
	Severity []string `yaml:"severity"`
	Vendor   string   `yaml:"vendor"`
	App      string   `yaml:"app"`
	Check    string   `yaml:"check"`
	Channel  string   `yaml:"channel"`
}

// Notices is how vendors are written to.
type Notices struct {
	SMTP        string `yaml:"smtp"`
	UsernameEnv string `yaml:"username_env"`
	PasswordEnv string `yaml:"password_env"`
	From        string `yaml:"from"`
	ReplyTo     string `yaml:"reply_to"`
	Approve     string `yaml:"approve"`
	Bounces     string `yaml:"bounces"`
	Templates   string `yaml:"templates"` // a folder; "": the built-in ones
	FormURL     string `yaml:"form_url"`  // where a vendor asks for approval
}

// Console is the reviewers' web console.
type Console struct {
	Listen    string `yaml:"listen"`
	PublicURL string `yaml:"public_url"`
	TLSCert   string `yaml:"tls_cert"`
	TLSKey    string `yaml:"tls_key"`
	OIDC      OIDC   `yaml:"oidc"`
}

// OIDC is who logs reviewers in.
type OIDC struct {
	Issuer          string `yaml:"issuer"`
	ClientID        string `yaml:"client_id"`
	ClientSecretEnv string `yaml:"client_secret_env"`
	RoleClaim       string `yaml:"role_claim"`
}

// Vendor is the vendors' page.
type Vendor struct {
	Listen    string `yaml:"listen"`
	PublicURL string `yaml:"public_url"`
}

// Webhook is another system that is told of findings.
type Webhook struct {
	URL          string   `yaml:"url"`
	SecretEnv    string   `yaml:"secret_env"` // empty: what is sent is not signed
	Events       []string `yaml:"events"`     // empty: all
	AllowPrivate bool     `yaml:"allow_private"`
}

// Jira is where issues are filed.
type Jira struct {
	URL          string `yaml:"url"`
	UserEnv      string `yaml:"user_env"`
	TokenEnv     string `yaml:"token_env"`
	Project      string `yaml:"project"`
	IssueType    string `yaml:"issue_type"` // Task
	AllowPrivate bool   `yaml:"allow_private"`
}

// Capture is how apps' pages are opened.
type Capture struct {
	Chromium     string        `yaml:"chromium"`
	Every        string        `yaml:"every"`
	URLs         []CapturePage `yaml:"urls"`
	AllowPrivate bool          `yaml:"allow_private"`
	Sandbox      *bool         `yaml:"sandbox"` // nil: on
}

// CapturePage is a page to open: a URL, or a mapping that also says whose it is and as whom to open it.
type CapturePage struct {
	URL         string
	App         string // empty: the app of the registry whose host it is
	Site        string
	Viewer      string
	CookiesFile string
	HeadersFile string
}

// UnmarshalYAML reads a page. The decoder is not strict below a method of its own, so what is unknown is told here.
func (p *CapturePage) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		return n.Decode(&p.URL)
	}
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: a page of capture.urls is a URL, or a mapping with url", n.Line)
	}
	keys := map[string]*string{"url": &p.URL, "app": &p.App, "site": &p.Site, "viewer": &p.Viewer, "cookies_file": &p.CookiesFile, "headers_file": &p.HeadersFile}
	for i := 0; i+1 < len(n.Content); i += 2 {
		into := keys[n.Content[i].Value]
		if into == nil {
			return fmt.Errorf("line %d: unknown key %q", n.Content[i].Line, n.Content[i].Value)
		}
		if err := n.Content[i+1].Decode(into); err != nil {
			return err
		}
	}
	if p.URL == "" {
		return fmt.Errorf("line %d: this page has no url", n.Line)
	}
	return nil
}

// Heartbeat is a URL that is called after each good night.
type Heartbeat struct {
	URL          string `yaml:"url"`
	AllowPrivate bool   `yaml:"allow_private"`
}

// Alerts is when operators are told of the nights themselves, and of messages that are not delivered.
type Alerts struct {
	Quarantined float64  `yaml:"quarantined"` // share of a source's lines in a night, above which too many are bad; 0.01
	Mail        []string `yaml:"mail"`        // operators, who are written to when messages are not delivered
}

// Metrics is where Prometheus reads.
type Metrics struct {
	Listen string `yaml:"listen"`
}

// Log is how mailreeve logs.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// Duration is a span of time as in 36h, 15d or 1d12h.
type Duration time.Duration

var dayPattern = regexp.MustCompile(`^(\d+)d(.*)$`)

// UnmarshalYAML reads a duration.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	rest, days := strings.TrimSpace(n.Value), time.Duration(0)
	if m := dayPattern.FindStringSubmatch(rest); m != nil {
		k, err := strconv.Atoi(m[1])
		if err != nil || k > 36500 {
			return fmt.Errorf("line %d: %q is too long a duration", n.Line, n.Value)
		}
		days, rest = time.Duration(k)*24*time.Hour, m[2]
	}
	span := time.Duration(0)
	if rest != "" || days == 0 {
		var err error
		if span, err = time.ParseDuration(rest); err != nil {
			return fmt.Errorf("line %d: %q is no duration: write it like 36h, 15d or 5m", n.Line, n.Value)
		}
	}
	if days+span < 0 {
		return fmt.Errorf("line %d: a duration cannot be negative", n.Line)
	}
	*d = Duration(days + span)
	return nil
}

// DefaultName is the configuration's file name.
const DefaultName = "mailreeve.yaml"

// Find is the configuration to read when none is named: mailreeve.yaml here, then in the user's config folder.
func Find() (string, error) {
	tried := []string{DefaultName}
	if dir, err := os.UserConfigDir(); err == nil {
		tried = append(tried, filepath.Join(dir, "mailreeve", DefaultName))
	}
	for _, path := range tried {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no configuration: %s does not exist; name one with -c FILE, or write one with mailreeve init", strings.Join(tried, " and "))
}

// Load reads a configuration and its policy.
func Load(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist: name the configuration with -c FILE, or write one with mailreeve init", path)
	} else if err != nil {
		return nil, fmt.Errorf("the configuration: %w", err)
	}
	c := &Config{Store: "sqlite://mailreeve.db", Archive: "mailreeve.archive", Schedule: "CRON_TZ=UTC 30 2 * * *"}
	c.Slack.TokenEnv = "SLACK_BOT_TOKEN"
	c.Alerts.Quarantined = 0.01
	if err := decode(path, text, c); err != nil {
		return nil, err
	}
	c.sheet = sheetOf(path, text)
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("the configuration: %w", err)
	}
	c.Path, c.Dir = full, filepath.Dir(full)
	c.Console.Listen = cmp.Or(c.Console.Listen, "127.0.0.1:8089")
	if c.Vendor.PublicURL != "" { // else there is no page
		c.Vendor.Listen = cmp.Or(c.Vendor.Listen, "127.0.0.1:8090")
	}
	c.Jira.IssueType = cmp.Or(c.Jira.IssueType, "Task")
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, c.Located(err))
	}
	var policy []byte
	if c.PolicyFile != "" {
		if policy, err = os.ReadFile(c.Resolve(c.PolicyFile)); err != nil {
			return nil, fmt.Errorf("%s: %w", path, c.Located(fmt.Errorf("policy: %w: name a file, or leave the key out for the built-in policy", err)))
		}
	}
	c.Policy, err = parsePolicy(c.PolicyFile, filepath.Dir(c.Resolve(c.PolicyFile)), policy)
	return c, err
}

// decode reads strict YAML: unknown keys are errors that name their line.
func decode(name string, text []byte, into any) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	err := d.Decode(into)
	if err == nil {
		var more yaml.Node
		if err = d.Decode(&more); err == nil {
			return fmt.Errorf("%s: line %d: a second document begins, with ---: a file holds one", name, more.Line)
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	var wrong *yaml.TypeError
	if errors.As(err, &wrong) {
		lines := make([]string, len(wrong.Errors))
		for i, e := range wrong.Errors {
			lines[i] = name + ": " + fitting(unknownKey.ReplaceAllString(e, `unknown key "$1"`))
		}
		return errors.New(strings.Join(lines, "\n"))
	}
	if !strings.Contains(err.Error(), "yaml: ") {
		return fmt.Errorf("%s: %w", name, err)
	}
	return fmt.Errorf("%s: %s: see there, and in the line before, that it is indented by spaces alone, and that brackets and quotes are closed", name, strings.TrimPrefix(err.Error(), "yaml: "))
}

var misfit = regexp.MustCompile(`cannot unmarshal !!\w+ (.*) into \*?(\[\])?(.*)`)

// fitting says what a value does not fit, in words that are not Go's.
func fitting(says string) string {
	m := misfit.FindStringSubmatch(says)
	if m == nil {
		return says
	}
	what := map[string]string{"int": "a whole number", "float64": "a number", "bool": "true or false", "string": "a text"}[m[3]]
	switch {
	case m[2] != "":
		what = "a list"
	case what == "":
		what = "a mapping of keys"
	}
	return misfit.ReplaceAllLiteralString(says, m[1]+" does not fit here, where "+what+" is expected: see docs/config.md")
}

var unknownKey = regexp.MustCompile(`field (\S+) not found in type .*`)

// Resolve is a path of the configuration, relative to its folder.
func (c *Config) Resolve(path string) string {
	if strings.Contains(path, "://") {
		return path
	}
	return rooted(c.Dir, path)
}

// StoreURL is the store with a relative path resolved.
func (c *Config) StoreURL() string {
	if path, ok := strings.CutPrefix(c.Store, "sqlite://"); ok {
		return "sqlite://" + c.Resolve(path)
	}
	return c.Store
}

func (c *Config) check() error {
	if !strings.HasPrefix(c.Store, "sqlite://") && !strings.HasPrefix(c.Store, "postgres://") && !strings.HasPrefix(c.Store, "postgresql://") {
		return fmt.Errorf("store: %q is neither sqlite://PATH nor postgres://…", c.Store)
	}
	if s3.IsURL(c.Archive) {
		if _, _, err := s3.Split(c.Archive); err != nil {
			return fmt.Errorf("archive: %w", err)
		}
	}
	if c.Workers < 0 {
		return errors.New("workers: give a number of cores, or 0 for all")
	}
	if q := c.Alerts.Quarantined; q < 0 || q > 1 {
		return errors.New("alerts: quarantined: give a share from 0 to 1")
	}
	if len(c.Alerts.Mail) > 0 && (c.Notices.SMTP == "" || c.Notices.From == "") {
		return errors.New("alerts: mail: nobody can be written to without notices.smtp and notices.from: set them")
	}
	if err := c.checkSources(); err != nil {
		return err
	}
	switch c.Notices.Approve {
	case "", "manual", "auto":
	default:
		return fmt.Errorf("notices: approve: %q is neither manual nor auto", c.Notices.Approve)
	}
	for _, l := range []struct{ at, url string }{{"notices: form_url", c.Notices.FormURL}, {"vendor: public_url", c.Vendor.PublicURL}} {
		if u, err := url.Parse(l.url); l.url != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
			return fmt.Errorf("%s: %q is no http or https URL", l.at, l.url)
		}
	}
	if u, err := url.Parse(c.Vendor.PublicURL); err == nil && (strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil) {
		return fmt.Errorf("vendor: public_url: %q is not of a host alone: the page has a name of its own, as https://vendors.platform.example", c.Vendor.PublicURL)
	}
	if _, _, err := net.SplitHostPort(c.Vendor.Listen); c.Vendor.Listen != "" && err != nil {
		return fmt.Errorf("vendor: listen: %q is no host:port, as 127.0.0.1:8090", c.Vendor.Listen)
	}
	if err := c.Slack.check(); err != nil {
		return fmt.Errorf("slack: %w", err)
	}
	if _, _, err := net.SplitHostPort(c.Metrics.Listen); c.Metrics.Listen != "" && err != nil {
		return fmt.Errorf("metrics: listen: %q is no host:port, as 127.0.0.1:9464", c.Metrics.Listen)
	}
	switch c.Log.Level {
	case "", "debug", "info", "warn", "error":
	default:
		return fmt.Errorf("log: level: %q is none of debug, info, warn, error", c.Log.Level)
	}
	switch c.Log.Format {
	case "", "text", "json":
	default:
		return fmt.Errorf("log: format: %q is neither text nor json", c.Log.Format)
	}
	return nil
}

func (c *Config) checkSources() error {
	seen := map[string]bool{}
	for i := range c.Sources {
		s := &c.Sources[i]
		at := fmt.Sprintf("sources[%d]", i)
		if !known(s.Kind) {
			return fmt.Errorf("%s%s: kind: %q is none of access, reports, installs, incidents, apps, addresses, captures, mail, signals", c.line(i, "kind"), at, s.Kind)
		}
		at = fmt.Sprintf("%s (%s)", at, s.Kind)
		wrong := func(key, format string, args ...any) error {
			return fmt.Errorf("%s%s: %w", c.line(i, key), at, fmt.Errorf(format, args...))
		}
		feed := s.HTTP != nil || s.Postgres != nil
		if keys, err := s.checkFeed(); err != nil {
			return fmt.Errorf("%s%s: %w", c.line(i, keys...), at, err)
		}
		if seen[s.Kind+" "+s.Name()] {
			key, err := s.checkTwice()
			return wrong(key, "%w", err)
		}
		switch {
		case s.Path == "" && !feed:
			return wrong("path", "path is missing: give a file or a pattern")
		case s.MaxBad != nil && (*s.MaxBad < 0 || *s.MaxBad > 1):
			return wrong("max_bad", "max_bad: give a share from 0 to 1")
		case s.MaxLoss != nil && (*s.MaxLoss < 0 || *s.MaxLoss > 1):
			return wrong("max_loss", "max_loss: give a share from 0 to 1")
		}
		if s3.IsURL(s.Path) {
			if _, key, err := s3.Split(s.Path); err != nil {
				return wrong("path", "path: %w", err)
			} else if key == "" || strings.HasSuffix(key, "/") {
				return wrong("path", "path: %s names no object: end it with a pattern, as *.jsonl.zst", s.Path)
			}
		}
		if _, err := filepath.Match(s.Path, ""); err != nil {
			return wrong("path", "path: %q is no pattern: %w", s.Path, err)
		}
		if keys, err := s.checkLines(); err != nil {
			return fmt.Errorf("%s%s: %w", c.line(i, keys...), at, err)
		}
		seen[s.Kind+" "+s.Name()] = true
	}
	return nil
}

var slackUser = regexp.MustCompile(`^[UW][A-Z0-9]{2,}$`)

func (s Slack) check() error {
	for i, r := range s.Routes {
		if r.Channel == "" {
			return fmt.Errorf("routes[%d]: channel is missing: say where to", i)
		}
		for _, severity := range r.Severity {
			if !slices.Contains(audit.Severities(), audit.Severity(severity)) {
				return fmt.Errorf("routes[%d]: severity: %q is none of critical, high, medium, low", i, severity)
			}
		}
	}
	for i, u := range s.Reviewers {
		if !slackUser.MatchString(u) {
			return fmt.Errorf("reviewers[%d]: %q is no id of a Slack user, as U024BE7LH: a profile's menu has it", i, u)
		}
	}
	return nil
}

func known(kind string) bool {
	switch kind {
	case "access", "reports", "installs", "incidents", "apps", "addresses", "captures", "mail", "signals":
		return true
	}
	return false
}

// Rules is what the configuration lets a run judge by.
func (c *Config) Rules() audit.Rules {
	r := audit.Rules{Policy: c.Policy, CompleteSince: audit.Never, Purposes: true}
	for _, s := range c.Sources {
		if s.Kind == string(audit.KindInstalls) && s.CompleteSince != nil {
			r.CompleteSince = min(r.CompleteSince, audit.Instant(*s.CompleteSince))
		}
		if s.Kind == string(audit.KindAccess) && s.Purposes != nil && !*s.Purposes {
			r.Purposes = false
		}
		if s.AuthservID != "" && !slices.Contains(r.Receivers, s.AuthservID) {
			r.Receivers = append(r.Receivers, s.AuthservID)
		}
	}
	return r
}
