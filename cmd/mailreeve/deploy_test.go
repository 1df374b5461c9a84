package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/mailreeve/mailreeve/audit/config"
)

const deployed = "../../deploy"

// commandTree is the command as it is built in.
func commandTree() *cobra.Command { return (&cli{}).root() }

// understood says why the command line would not be taken; args come without the program's name. Words that stand for something end it.
func understood(t *testing.T, where string, args []string) {
	t.Helper()
	if len(args) == 0 {
		return
	}
	cmd, rest, err := commandTree().Find(args)
	if err != nil || !cmd.HasParent() {
		t.Errorf("%s: mailreeve %s: there is no such command (%v)", where, strings.Join(args, " "), err)
		return
	}
	for _, a := range rest {
		name, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "=")
		switch {
		case strings.HasPrefix(a, "--") && cmd.Flags().Lookup(name) == nil && cmd.InheritedFlags().Lookup(name) == nil,
			strings.HasPrefix(a, "-") && len(name) == 1 && cmd.Flags().ShorthandLookup(name) == nil && cmd.InheritedFlags().ShorthandLookup(name) == nil:
			t.Errorf("%s: mailreeve %s: there is no option %s", where, strings.Join(args, " "), a)
		}
	}
}

// read is a file below deploy/.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deployed, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// manifest is one document of Kubernetes, as far as it matters here.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Data     map[string]string
	Spec     struct {
		Template    podTemplate
		JobTemplate struct {
			Spec struct{ Template podTemplate }
		} `yaml:"jobTemplate"`
		Schedule string
		TimeZone string `yaml:"timeZone"`
	}
}

type podTemplate struct {
	Spec struct {
		Containers []struct {
			Name           string
			Args           []string
			ReadinessProbe struct{ Exec struct{ Command []string } } `yaml:"readinessProbe"`
			VolumeMounts   []struct {
				MountPath string `yaml:"mountPath"`
				ReadOnly  bool   `yaml:"readOnly"`
			} `yaml:"volumeMounts"`
		}
	}
}

func manifests(t *testing.T) (all []manifest) {
	t.Helper()
	files, err := filepath.Glob(deployed + "/kubernetes/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		d := yaml.NewDecoder(strings.NewReader(read(t, "kubernetes/"+filepath.Base(file))))
		for {
			var m manifest
			if err := d.Decode(&m); err != nil {
				break // deploy/check reads them strictly
			}
			all = append(all, m)
		}
	}
	return all
}

// TestDeployedCommandsExist: what containers, units and manifests start, this program can do.
func TestDeployedCommandsExist(t *testing.T) {
	started := 0
	start := func(where string, args []string) {
		started++
		understood(t, where, args)
	}
	var compose struct {
		Services map[string]struct {
			Image       string
			Command     []string
			Healthcheck struct{ Test []string }
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "compose.yaml")), &compose); err != nil {
		t.Fatal(err)
	}
	for name, s := range compose.Services {
		if name == "postgres" {
			continue
		}
		start("compose.yaml, service "+name, s.Command)
		if test := s.Healthcheck.Test; len(test) > 1 && test[1] == "/mailreeve" {
			start("compose.yaml, health of "+name, test[2:])
		}
	}
	for _, m := range manifests(t) {
		for _, p := range []podTemplate{m.Spec.Template, m.Spec.JobTemplate.Spec.Template} {
			for _, c := range p.Spec.Containers {
				start("kubernetes, container "+c.Name, c.Args)
				if probe := c.ReadinessProbe.Exec.Command; len(probe) > 0 && probe[0] == "/mailreeve" {
					start("kubernetes, probe of "+c.Name, probe[1:])
				}
			}
		}
	}
	for _, unit := range []string{"mailreeve.service", "mailreeve-run.service", "mailreeve-worker.service"} {
		for _, line := range regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/mailreeve (.*)$`).FindAllStringSubmatch(read(t, "systemd/"+unit), -1) {
			start(unit, strings.Fields(line[1]))
		}
	}
	for _, line := range regexp.MustCompile(`(?m)^CMD \["(.*)"\]$`).FindAllStringSubmatch(read(t, "../Dockerfile"), -1) {
		start("Dockerfile", strings.Split(line[1], `", "`))
	}
	if started != 4+1+4+1+3+2 {
		t.Errorf("%d commands were found: is one of the files read no more?", started)
	}
}

// TestDocumentedCommandsExist: what the pages for operators tell to type can be typed.
func TestDocumentedCommandsExist(t *testing.T) {
	typed := regexp.MustCompile("(?m)(?:`|^|^\\$ |\\. |, |exec serve /|-- /)mailreeve ([a-z]+(?: [^`#|;&)\n]*)?)")
	for _, page := range []string{"../docs/operations.md", "../docs/runbook.md", "../docs/upgrade.md", "../docs/scale.md", "README.md"} {
		found := 0
		code := false
		for line := range strings.Lines(read(t, page)) {
			if strings.HasPrefix(line, "```") {
				code = !code
			}
			for _, m := range typed.FindAllStringSubmatchIndex(line, -1) {
				if !code && line[m[0]] != '`' { // prose
					continue
				}
				args, _, _ := strings.Cut(line[m[2]:m[3]], "  ") // what follows says what it does
				found++
				understood(t, page, strings.Fields(args))
			}
		}
		if found == 0 {
			t.Errorf("%s names no command: is it still read right?", page)
		}
	}
}

// TestDeployedConfigurationsLoad: each is one, and what it names lies where the containers and units have it.
func TestDeployedConfigurationsLoad(t *testing.T) {
	dir := t.TempDir()
	load := func(name, text string) *config.Config {
		t.Helper()
		path := filepath.Join(dir, "mailreeve.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := (&cli{config: path}).load()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return cfg
	}
	under := func(where, path, folder string) {
		t.Helper()
		if !strings.HasPrefix(path, folder+"/") {
			t.Errorf("%s: %s does not lie in %s", where, path, folder)
		}
	}
	// In containers: the archive is kept, the input is mounted, the root cannot be written.
	var inMap string
	for _, m := range manifests(t) {
		if m.Kind == "ConfigMap" {
			inMap = m.Data["mailreeve.yaml"]
		}
		capture := strings.HasSuffix(m.Metadata.Name, "-capture") // it comes before the night, and sees no store
		if m.Kind == "CronJob" && !capture {
			cfg := load("ConfigMap", inMap)
			if got := "CRON_TZ=" + strings.TrimPrefix(m.Spec.TimeZone, "Etc/") + " " + m.Spec.Schedule; got != cfg.Schedule {
				t.Errorf("the CronJob comes at %s, the configuration says %s", got, cfg.Schedule)
			}
		}
		for _, p := range []podTemplate{m.Spec.Template, m.Spec.JobTemplate.Spec.Template} {
			for _, c := range p.Spec.Containers {
				mounts := map[string]bool{}
				for _, v := range c.VolumeMounts {
					mounts[v.MountPath] = v.ReadOnly
				}
				for path, readOnly := range map[string]bool{"/etc/mailreeve": true, "/var/lib/mailreeve": false, "/srv/mailreeve": true, "/tmp": false} {
					got, ok := mounts[path]
					if capture && path == "/var/lib/mailreeve" {
						if ok {
							t.Errorf("container %s sees the archive", c.Name)
						}
						continue
					}
					if !ok || got != readOnly {
						t.Errorf("container %s: %s is mounted: %t, read only: %t", c.Name, path, ok, got)
					}
				}
			}
		}
	}
	for name, text := range map[string]string{"compose": read(t, "mailreeve.yaml"), "ConfigMap": inMap} {
		cfg := load(name, text)
		under(name, cfg.Archive, "/var/lib/mailreeve")
		for _, s := range cfg.Sources {
			under(name, s.Path, "/srv/mailreeve")
		}
		if !strings.HasPrefix(cfg.Store, "postgres://mailreeve@") {
			t.Errorf("%s: the store is %s", name, cfg.Store)
		}
	}
	compose := read(t, "compose.yaml")
	for _, want := range []string{"target: /etc/mailreeve/mailreeve.yaml", "archive:/var/lib/mailreeve", ":/srv/mailreeve:ro", "configs:\n  mailreeve: {file: mailreeve.yaml}"} {
		if !strings.Contains(compose, want) {
			t.Errorf("compose.yaml does not have %s", want)
		}
	}
	if !strings.Contains(read(t, "../Dockerfile"), "ENV MAILREEVE_CONFIG=/etc/mailreeve/mailreeve.yaml\n") {
		t.Error("the image does not know where its configuration is")
	}
	// Under systemd: what is written lies in the state directory, the only place that can be written.
	cfg := load("systemd", read(t, "systemd/mailreeve.yaml"))
	under("systemd", cfg.Archive, "/var/lib/mailreeve")
	under("systemd", strings.TrimPrefix(cfg.Store, "sqlite://"), "/var/lib/mailreeve")
	for _, unit := range []string{"mailreeve.service", "mailreeve-run.service"} {
		text := read(t, "systemd/"+unit)
		for _, want := range []string{"StateDirectory=mailreeve\n", "ProtectSystem=strict\n", "NoNewPrivileges=yes\n", "\nCapabilityBoundingSet=\n", "User=mailreeve\n"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %s", unit, strings.TrimSpace(want))
			}
		}
	}
	if !strings.Contains(read(t, "systemd/mailreeve-run.timer"), "OnCalendar=*-*-* 02:30:00 UTC\n") || cfg.Schedule != "CRON_TZ=UTC 30 2 * * *" {
		t.Errorf("the timer and the schedule %s are not of one time", cfg.Schedule)
	}
}

// TestNoSecretIsDeployed: the files hold none, and the folders where operators put theirs are kept out of images and of git.
func TestNoSecretIsDeployed(t *testing.T) {
	ignored := read(t, "../.gitignore")
	for _, folder := range []string{"/deploy/secrets/", "/deploy/input/"} {
		if !strings.Contains(ignored, folder+"\n") {
			t.Errorf("git would keep %s", folder)
		}
		if !strings.Contains(read(t, "../.dockerignore"), strings.Trim(folder, "/")+"\n") {
			t.Errorf("images would hold %s", folder)
		}
	}
	err := filepath.WalkDir(deployed, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && (d.Name() == "secrets" || d.Name() == "input") {
			return filepath.SkipDir
		}
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if m := regexp.MustCompile(`xox[bap]-[0-9A-Za-z]|postgres://[^@/ ]*:[^@/ ]*@`).Find(text); m != nil {
			t.Errorf("%s holds %q", path, m)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
