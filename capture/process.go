package capture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/chromedp"
)

// chromiums are the names under which Chromium is installed.
var chromiums = [...]string{"chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "headless-shell", "chrome"}

// FindChromium is the browser to start: the one that the configuration names, or the first of the usual names in PATH.
func FindChromium(configured string) (string, error) {
	if configured != "" {
		path, err := exec.LookPath(configured)
		if err != nil {
			return "", fmt.Errorf("capture.chromium: %w: give the path of Chromium, as /usr/bin/chromium", err)
		}
		return filepath.Abs(path)
	}
	for _, name := range chromiums {
		if path, err := exec.LookPath(name); err == nil {
			return filepath.Abs(path)
		}
	}
	return "", errors.New("there is no Chromium in PATH: install Debian's package chromium, or say where it is with capture.chromium")
}

// MaySandbox says whether the browser's sandbox can be on. It cannot for root.
func MaySandbox(sandbox bool) error {
	if sandbox && os.Geteuid() == 0 {
		return errors.New("the browser's sandbox does not work for root, and without it a hostile page has the machine: run mailreeve capture as another user " +
			"(or, in a container that is thrown away, set capture.sandbox: false)")
	}
	return nil
}

// maxMessage is how much the browser may say at once: a body that is kept, or what is known of a page's nodes.
const maxMessage = 128 << 20

// A process is a browser and its profile.
type process struct {
	client  *client
	profile string
	said    *head // on its standard error
	kill    func()
	done    chan struct{} // closed when the browser has ended and its profile is gone, or left
	left    error         // why the profile could not be removed
}

// maxDir is how long the path of the folder for profiles may be: Chromium makes sockets in a profile, whose paths kernels limit to some 100 bytes.
const maxDir = 30

// start starts a browser whose only way out is the proxy, with a profile of its own. It ends with ctx.
func start(ctx context.Context, chromium string, sandbox bool, p *proxy) (*process, error) {
	dir := os.TempDir()
	if len(dir) > maxDir && runtime.GOOS != "windows" {
		dir = "/tmp"
	}
	profile, err := os.MkdirTemp(dir, "mailreeve-capture-")
	if err != nil {
		return nil, fmt.Errorf("the browser's profile: %w", err)
	}
	cmd := exec.Command(chromium, arguments(profile, sandbox, p)...)
	cmd.Dir, cmd.Env = profile, environment(profile)
	fromUs, toBrowser, err1 := os.Pipe()
	fromBrowser, toUs, err2 := os.Pipe()
	cmd.ExtraFiles = []*os.File{fromUs, toUs} // 3 and 4, as --remote-debugging-pipe has it
	alone(cmd)
	b := &process{profile: profile, said: &head{}, done: make(chan struct{})}
	cmd.Stderr, cmd.WaitDelay = b.said, time.Second
	if err = errors.Join(err1, err2); err == nil {
		err = b.run(cmd)
	}
	for _, f := range cmd.ExtraFiles {
		_ = f.Close() // the browser's ends; nil where there is none
	}
	if err != nil {
		for _, f := range []*os.File{toBrowser, fromBrowser} {
			_ = f.Close()
		}
		return nil, errors.Join(fmt.Errorf("starting %s: %w", chromium, err), remove(profile))
	}
	pipe := chromedp.NewPipeConn(newBounded(fromBrowser, maxMessage), toBrowser)
	stop := context.AfterFunc(ctx, b.kill)
	go func() {
		<-b.done
		stop()
		_ = pipe.Close()
	}()
	b.client = newClient(pipe)
	return b, nil
}

// run starts the command and, when it has ended, removes what it leaves.
func (b *process) run(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the kernel ends the browser with the thread that started it
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		b.kill = func() {
			select {
			case <-b.done: // its number may be another's by now
			default:
				killAll(cmd.Process.Pid, b.profile)
			}
		}
		started <- nil
		_ = cmd.Wait() // however it ended, it has
		killAll(cmd.Process.Pid, b.profile)
		for range 50 { // a child that was killed just now may still write
			if b.left = remove(b.profile); b.left == nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		close(b.done)
	}()
	return <-started
}

// remove removes a profile. The error names no file in it: pages choose such names.
func remove(profile string) error {
	err := os.RemoveAll(profile)
	if err == nil {
		return nil
	}
	if at, ok := errors.AsType[*os.PathError](err); ok {
		err = at.Err
	}
	return fmt.Errorf("the browser's profile could not be removed: %w: remove %s, it holds what the page stored", err, profile)
}

// A head keeps the beginning of what is written to it: why a browser does not start. Later it may be about pages, and is dropped.
type head struct {
	mu   sync.Mutex
	text []byte
}

func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text = append(h.text, p[:min(len(p), 1000-len(h.text))]...)
	return len(p), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := strings.Join(strings.Fields(string(h.text)), " "); s != "" {
		return s
	}
	return "it said nothing"
}

// end ends the browser and waits until nothing of it is left. The error says what is.
func (b *process) end() error {
	b.kill()
	<-b.done
	return b.left
}

// environment is what the browser is told of the machine: nothing that could be a secret.
func environment(profile string) []string {
	env := []string{"HOME=" + profile, "TMPDIR=" + profile, "XDG_CONFIG_HOME=" + profile, "XDG_CACHE_HOME=" + profile, "XDG_RUNTIME_DIR=" + profile}
	for _, name := range []string{"PATH", "LANG", "LC_ALL", "TZ", "FONTCONFIG_PATH", "FONTCONFIG_FILE", "LD_LIBRARY_PATH"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// features that Chromium has on and a capture does not want: what speaks with its maker, what opens pages before they are asked for, what asks people.
var features = [...]string{"Translate", "OptimizationHints", "MediaRouter", "DialMediaRouteProvider", "InterestFeedContentSuggestions", "CertificateTransparencyComponentUpdater",
	"AutofillServerCommunication", "Prerender2", "SpeculationRulesPrefetchFuture", "NetworkTimeServiceQuerying", "AsyncDns", "DnsOverHttps", "PrivacySandboxSettings4", "HttpsUpgrades",
	"HttpsFirstBalancedModeAutoEnable", "WebUSB", "WebBluetooth", "DirectSockets"}

func arguments(profile string, sandbox bool, p *proxy) []string {
	at := p.addr()
	args := []string{
		"--headless", "--remote-debugging-pipe", "--user-data-dir=" + profile, "--disk-cache-dir=" + filepath.Join(profile, "cache"),
		// The proxy is for all; what would look a name up or send packets on its own cannot.
		"--proxy-server=http://" + at.String(), "--proxy-bypass-list=<-loopback>",
		"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE " + at.Addr().String(),
		"--disable-quic", "--force-webrtc-ip-handling-policy=disable_non_proxied_udp", "--webrtc-ip-handling-policy=disable_non_proxied_udp",
		"--dns-prefetch-disable", "--no-pings",
		// Nothing but the page.
		"--no-first-run", "--no-default-browser-check", "--no-service-autorun", "--disable-extensions", "--disable-component-extensions-with-background-pages",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps", "--disable-domain-reliability",
		"--disable-client-side-phishing-detection", "--safebrowsing-disable-auto-update", "--metrics-recording-only", "--disable-breakpad",
		"--disable-crash-reporter", "--disable-search-engine-choice-screen", "--no-report-upload", "--disable-field-trial-config", "--disable-variations-seed-fetch",
		"--password-store=basic", "--use-mock-keychain", "--disable-notifications", "--deny-permission-prompts", "--mute-audio", "--disable-remote-fonts", "--disable-print-preview",
		"--disable-features=" + strings.Join(features[:], ","),
		// A page that nobody looks at goes on as if somebody did, and looks the same everywhere.
		"--disable-background-timer-throttling", "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows", "--disable-hang-monitor",
		"--force-color-profile=srgb", "--hide-scrollbars", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,900", "--lang=en-US",
	}
	if !sandbox {
		args = append(args, "--no-sandbox")
	}
	return append(args, "about:blank")
}
