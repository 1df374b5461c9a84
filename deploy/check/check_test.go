package check

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	sigsyaml "sigs.k8s.io/yaml"
)

// TestAlerts: Prometheus takes the rules, and each alert fires when it is to.
func TestAlerts(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v, and CI needs it", err)
		}
		t.Skip("promtool is not installed; Prometheus brings it")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = "../prometheus"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %q: %v\n%s", args, err, out)
		}
	}
}

// TestKubernetes: each manifest is what Kubernetes takes it for, to the last key, and each pod keeps to the restricted standard.
func TestKubernetes(t *testing.T) {
	files, err := filepath.Glob("../kubernetes/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d manifests, %v", len(files), err)
	}
	judge, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	// What there is, and what is asked for, of the things that manifests name.
	there, asked := map[string]bool{}, map[string]string{}
	pods := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
		for {
			one, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			var head struct {
				Kind     string `json:"kind"`
				Metadata struct {
					Name      string `json:"name"`
					Namespace string `json:"namespace"`
				} `json:"metadata"`
			}
			if err := sigsyaml.Unmarshal(one, &head); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			var into any
			var pod *corev1.PodTemplateSpec
			switch head.Kind {
			case "Namespace":
				into = new(corev1.Namespace)
			case "ServiceAccount":
				into = new(corev1.ServiceAccount)
			case "ConfigMap":
				into = new(corev1.ConfigMap)
			case "Secret":
				into = new(corev1.Secret)
			case "PersistentVolumeClaim":
				into = new(corev1.PersistentVolumeClaim)
			case "Deployment":
				d := new(appsv1.Deployment)
				into, pod = d, &d.Spec.Template
			case "CronJob":
				d := new(batchv1.CronJob)
				into, pod = d, &d.Spec.JobTemplate.Spec.Template
			case "PodDisruptionBudget":
				into = new(policyv1.PodDisruptionBudget)
			case "NetworkPolicy":
				into = new(networkingv1.NetworkPolicy)
			default:
				t.Errorf("%s: nobody checks a %q", file, head.Kind)
				continue
			}
			if err := sigsyaml.UnmarshalStrict(one, into); err != nil {
				t.Errorf("%s: %s %s: %v", file, head.Kind, head.Metadata.Name, err)
			}
			if head.Kind != "Namespace" && head.Metadata.Namespace != "mailreeve" {
				t.Errorf("%s: %s %s is in namespace %q", file, head.Kind, head.Metadata.Name, head.Metadata.Namespace)
			}
			there[head.Kind+" "+head.Metadata.Name] = true
			if d, ok := into.(*appsv1.Deployment); ok && !cmp.Equal(d.Spec.Selector.MatchLabels, d.Spec.Template.Labels) {
				t.Errorf("%s: Deployment %s selects %v, its pods are %v", file, d.Name, d.Spec.Selector.MatchLabels, d.Spec.Template.Labels)
			}
			if pod == nil {
				continue
			}
			pods++
			result := policy.AggregateCheckResults(judge.EvaluatePod(api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}, &pod.ObjectMeta, &pod.Spec))
			if !result.Allowed {
				t.Errorf("%s: %s %s: %s", file, head.Kind, head.Metadata.Name, result.ForbiddenDetail())
			}
			if pod.Spec.AutomountServiceAccountToken == nil || *pod.Spec.AutomountServiceAccountToken {
				t.Errorf("%s: %s: its pods get a token", file, head.Metadata.Name)
			}
			asked["ServiceAccount "+pod.Spec.ServiceAccountName] = file
			for _, v := range pod.Spec.Volumes {
				switch {
				case v.ConfigMap != nil:
					asked["ConfigMap "+v.ConfigMap.Name] = file
				case v.PersistentVolumeClaim != nil:
					asked["PersistentVolumeClaim "+v.PersistentVolumeClaim.ClaimName] = file
				}
			}
			for _, c := range pod.Spec.Containers {
				if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
					t.Errorf("%s: container %s may write its root", file, c.Name)
				}
				for _, m := range c.VolumeMounts {
					if !slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name }) {
						t.Errorf("%s: container %s mounts %s, which is no volume", file, c.Name, m.Name)
					}
				}
				for _, e := range c.EnvFrom {
					asked["Secret "+e.SecretRef.Name] = file
				}
			}
		}
	}
	for what, file := range asked {
		if !there[what] {
			t.Errorf("%s names %s, which no manifest makes", file, what)
		}
	}
	if pods != 4 {
		t.Errorf("%d kinds of pods, not 4", pods)
	}
}

// TestCompose: compose reads the file by its own schema, and no service of it may more than it needs.
func TestCompose(t *testing.T) {
	options, err := cli.NewProjectOptions([]string{"../compose.yaml"}, cli.WithProfiles([]string{"*"}), cli.WithoutEnvironmentResolution)
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range project.Services {
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.CapAdd) > 0 || s.Privileged {
			t.Errorf("service %s may more than it needs", name)
		}
		if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("service %s may gain privileges", name)
		}
		if s.User == "" || strings.HasPrefix(s.User, "0") || s.User == "root" {
			t.Errorf("service %s runs as %q", name, s.User)
		}
		if s.Build == nil && (!strings.Contains(s.Image, ":") || strings.HasSuffix(s.Image, ":latest")) {
			t.Errorf("service %s: image %s has no version", name, s.Image)
		}
		if len(s.Ports) > 0 {
			t.Errorf("service %s is open to others", name)
		}
	}
	for name, at := range map[string]string{"pgpass": "/run/secrets/pgpass"} {
		if project.Services["serve"].Environment["PGPASSFILE"] == nil || *project.Services["serve"].Environment["PGPASSFILE"] != at || project.Secrets[name].File == "" {
			t.Errorf("the secret %s is no file at %s", name, at)
		}
	}
	for name, c := range map[string]types.ConfigObjConfig(project.Configs) {
		if _, err := os.Stat(c.File); err != nil {
			t.Errorf("config %s: %v", name, err)
		}
	}
}

// TestDockerfile: BuildKit reads it, finds nothing to say against it, and what is run is not root.
func TestDockerfile(t *testing.T) {
	text, err := os.Open("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	tree, err := parser.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	warn := linter.New(&linter.Config{Warn: func(rule, description, _, message string, _ []parser.Range) {
		t.Errorf("%s: %s (%s)", rule, message, description)
	}})
	stages, args, err := instructions.Parse(tree.AST, warn)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range stages {
		names = append(names, s.Name)
		if s.Name == "build" {
			continue
		}
		user := ""
		for _, c := range s.Commands {
			if u, ok := c.(*instructions.UserCommand); ok {
				user = u.User
			}
		}
		if user != "65532:65532" {
			t.Errorf("stage %s ends as user %q", s.Name, user)
		}
	}
	if !slices.Equal(names, []string{"build", "capture", "mailreeve"}) {
		t.Errorf("stages %q", names)
	}
	// The toolchain is at least the one that the module asks for.
	module, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(module), "\ngo ")
	want, _, _ := strings.Cut(rest, ".0\n")
	if got := args[0].Args[0].ValueString(); !strings.HasPrefix(got, want+".") {
		t.Errorf("the image builds with Go %s, go.mod wants %s", got, want)
	}
}

// TestSeccomp: the profile of the browser's container is the container engine's own, and what Chromium's sandbox needs beyond. With
// MAILREEVE_UPDATE=1 it is written anew.
func TestSeccomp(t *testing.T) {
	profile := seccomp.DefaultProfile()
	profile.Syscalls = append(profile.Syscalls, &seccomp.Syscall{
		LinuxSyscall: specs.LinuxSyscall{Names: []string{"chroot", "clone", "setns", "unshare"}, Action: specs.ActAllow},
		Comment:      "namespaces of its own for a user without privileges: what Chromium's sandbox puts its renderers into",
	})
	want, err := json.MarshalIndent(profile, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	const path = "../chromium-seccomp.json"
	if os.Getenv("MAILREEVE_UPDATE") != "" {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not the engine's profile and Chromium's rule (MAILREEVE_UPDATE=1 writes it):\n%s", path, cmp.Diff(string(want), string(got)))
	}
}
