package capture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chromedp/cdproto/animation"
	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/inspector"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
)

// A visit is one page in one browser.
type visit struct {
	limits Limits
	login  Login
	origin string // of the page that was asked for
	proxy  *proxy
	client *client
	record *recorder

	ready   chan struct{} // closed when the page's session is there
	loaded  chan struct{} // closed with the first load event
	crashed chan struct{} // closed when the page's renderer is gone

	frozen atomic.Bool // what begins to load now is ended

	mu     sync.Mutex
	hosts  []string // of the page as it is now
	status int64    // with which it answered
	main   *session
	frames []*session // the page and its frames that have a process of their own
	popups int
	alerts int
	silent int // frames that did not answer
	once   struct{ loaded, crashed sync.Once }
}

// The errors that end a visit.
var (
	errCrashed  = errors.New("the page crashed its renderer")
	errDownload = errors.New("it is a download, not a page")
	errRefused  = errors.New("it leads to a host that is not public, which is refused (capture.allow_private)")
	errTooLong  = errors.New("it did not answer in time")
)

func newVisit(l Limits, login Login, origin string, p *proxy, c *client) *visit {
	return &visit{limits: l, login: login, origin: origin, proxy: p, client: c, record: newRecorder(l),
		ready: make(chan struct{}), loaded: make(chan struct{}), crashed: make(chan struct{})}
}

// on is called with every event of the browser.
func (v *visit) on(ctx context.Context, s *session, event any) {
	v.record.see(ctx, s, event)
	switch e := event.(type) {
	case *target.EventAttachedToTarget:
		v.attach(ctx, s)
	case *target.EventDetachedFromTarget:
		v.mu.Lock()
		v.frames = slices.DeleteFunc(v.frames, func(f *session) bool { return f == s })
		v.mu.Unlock()
	case *page.EventJavascriptDialogOpening:
		v.mu.Lock()
		v.alerts++
		v.mu.Unlock()
		go s.post(ctx, page.CommandHandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: e.Type == page.DialogTypeBeforeunload})
	case *page.EventLifecycleEvent:
		if e.Name == "load" && e.FrameID == cdp.FrameID(s.target) && s.kind == "page" && e.LoaderID != "" {
			v.once.loaded.Do(func() { close(v.loaded) })
		}
	case *inspector.EventTargetCrashed:
		if s.kind == "page" {
			v.once.crashed.Do(func() { close(v.crashed) })
		} else {
			v.drop(s)
		}
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument && e.FrameID == cdp.FrameID(s.target) && s == v.page() {
			v.mu.Lock()
			v.status = e.Response.Status
			v.mu.Unlock()
		}
	case *page.EventFrameNavigated:
		if s == v.page() && e.Frame.ParentID == "" {
			v.mu.Lock()
			v.hosts = []string{hostOf(e.Frame.URL), hostOf(e.Frame.UnreachableURL)}
			v.mu.Unlock()
		}
	case *fetch.EventRequestPaused:
		if v.frozen.Load() { // ended, not held: a navigation under way keeps the page from answering
			go s.post(ctx, fetch.CommandFailRequest, fetch.FailRequestParams{RequestID: e.RequestID, ErrorReason: network.ErrorReasonAborted})
		} else {
			go s.post(ctx, fetch.CommandContinueRequest, v.login.continued(v.origin, e))
		}
	}
}

// attach sets a new target up, before anything of it runs.
func (v *visit) attach(ctx context.Context, s *session) {
	v.mu.Lock()
	defer v.mu.Unlock()
	frame, worker := false, strings.HasSuffix(s.kind, "worker")
	switch {
	case s.kind == "page" && v.main != nil:
		v.popups++
		go v.client.root().post(ctx, target.CommandCloseTarget, target.CloseTargetParams{TargetID: s.target})
		return
	case s.kind == "page":
		v.main, frame = s, true
		defer close(v.ready)
	case s.kind == "iframe":
		frame = true
	}
	if frame {
		v.frames = append(v.frames, s)
	}
	go func() { // one after the other, and without waiting: a target that waits does not answer everything
		buffer, body, durable := v.limits.Kept, v.limits.Body, true // by the browser, since a renderer may be busy or gone
		if frame || worker {                                        // not the browser's own windows
			s.post(ctx, network.CommandEnable, network.EnableParams{MaxTotalBufferSize: &buffer, MaxResourceBufferSize: &body, MaxPostDataSize: &body, EnableDurableMessages: &durable})
			s.post(ctx, target.CommandSetAutoAttach, autoAttach())
		}
		if frame {
			s.post(ctx, page.CommandEnable, page.EnableParams{})
			s.post(ctx, page.CommandSetLifecycleEventsEnabled, page.SetLifecycleEventsEnabledParams{Enabled: true})
			s.post(ctx, inspector.CommandEnable, nil)
			if len(v.login.Headers) > 0 {
				s.post(ctx, fetch.CommandEnable, fetch.EnableParams{})
			}
		}
		s.post(ctx, runtime.CommandRunIfWaitingForDebugger, nil)
	}()
}

func autoAttach() target.SetAutoAttachParams {
	yes := true
	return target.SetAutoAttachParams{AutoAttach: true, WaitForDebuggerOnStart: true, Flatten: &yes}
}

// prepare waits for the browser and makes it ready for the page.
func (v *visit) prepare(ctx context.Context) error {
	root := v.client.root()
	deny := browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorDeny}
	if _, err := cdp.Call(ctx, root, browser.SetDownloadBehavior, deny); err != nil {
		return err
	}
	if _, err := cdp.Call(ctx, root, target.SetAutoAttach, autoAttach()); err != nil {
		return err
	}
	select {
	case <-v.ready:
	case <-v.client.lost:
		return v.client.err
	case <-ctx.Done():
		return ctx.Err()
	}
	if len(v.login.Cookies) > 0 {
		if _, err := cdp.Call(ctx, v.main, network.SetCookies, network.SetCookiesParams{Cookies: v.login.Cookies}); err != nil {
			return errors.New("the browser does not take the cookies: see that each has a domain and an allowed name")
		}
	}
	_, err := cdp.Call(ctx, v.main, emulation.SetDeviceMetricsOverride, viewport(viewHeight))
	return err
}

// open opens the page and lets it load all that it wants to, within bounds.
func (v *visit) open(ctx context.Context, to string) error {
	if err := v.navigate(ctx, to); err != nil {
		return err
	}
	v.linger(ctx)
	select {
	case <-v.crashed:
		return errCrashed
	case <-v.client.lost:
		return v.client.err
	default:
	}
	return nil
}

// navigate goes to the page; it returns when its document began to come.
func (v *visit) navigate(ctx context.Context, to string) error {
	type outcome struct {
		res page.NavigateResult
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		res, err := cdp.Call(ctx, v.main, page.Navigate, page.NavigateParams{URL: to})
		done <- outcome{res, err}
	}()
	select {
	case <-v.crashed:
		return errCrashed
	case o := <-done:
		switch {
		case errors.Is(o.err, context.DeadlineExceeded):
			return errTooLong
		case o.err != nil:
			return o.err
		case o.res.IsDownload:
			return errDownload
		case o.res.ErrorText != "":
			if v.proxy.refusedAny() { // what leads to a page is all that was loaded yet
				return errRefused
			}
			return fmt.Errorf("it could not be opened (%s)", o.res.ErrorText)
		}
	}
	return nil
}

// wasRefused says whether the page as it is now is on a host that was refused.
func (v *visit) wasRefused() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.ContainsFunc(v.hosts, func(h string) bool { return v.proxy.refusal(h) != nil })
}

// page is the page's session; nil before it is there.
func (v *visit) page() *session {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.main
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

const (
	viewWidth  = 1280
	viewHeight = 900
	still      = 500 * time.Millisecond // how long the network must be quiet
	stepTime   = 2 * time.Second        // what one look into the page may take
	maxSteps   = 30                     // how far down a page without an end is followed
)

func viewport(height int64) emulation.SetDeviceMetricsOverrideParams {
	return emulation.SetDeviceMetricsOverrideParams{Width: viewWidth, Height: height, DeviceScaleFactor: 1}
}

// linger waits until the page has loaded and rests, and scrolls it to its end, as someone does who reads it. Whatever it waits for has a bound.
func (v *visit) linger(ctx context.Context) {
	load, cancel := context.WithTimeout(ctx, v.limits.Load)
	defer cancel()
	select {
	case <-v.loaded:
	case <-v.crashed:
		return
	case <-load.Done():
	}
	v.rest(ctx, v.limits.Rest)
	for range maxSteps {
		if ctx.Err() != nil {
			return
		}
		var more bool
		if err := v.evaluate(ctx, v.main, "("+scrollScript+")(false)", &more); err != nil {
			return
		}
		v.rest(ctx, time.Second)
		if !more {
			break
		}
	}
	_ = v.evaluate(ctx, v.main, "("+scrollScript+")(true)", nil) // a page that does not scroll back is fine too
	v.rest(ctx, v.limits.Rest)
}

// scrollScript scrolls all that scrolls one view down, or back to the top, and says whether anything moved.
const scrollScript = `function (top) {
	let moved = false, tried = 0
	const step = e => {
		const before = e.scrollTop
		e.scrollTo({top: top ? 0 : before + Math.max(200, e.clientHeight * 0.8), behavior: "instant"})
		if (Math.abs(e.scrollTop - before) > 1) moved = true
	}
	step(document.scrollingElement || document.documentElement)
	for (const e of document.querySelectorAll("body *")) {
		if (++tried > 20000) break
		if (e.clientHeight > 100 && e.scrollHeight > e.clientHeight + 20 && getComputedStyle(e).overflowY !== "visible") step(e)
	}
	return moved
}`

// rest waits until the network is quiet, at most so long.
func (v *visit) rest(ctx context.Context, most time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-v.crashed:
			return
		case <-v.client.lost:
			return
		case <-tick.C:
			if time.Since(began) >= still && v.record.idle() >= still {
				return
			}
		}
	}
}

// world is mailreeve's own JavaScript world in a frame, which the page's scripts cannot reach.
func world(ctx context.Context, s *session, frame cdp.FrameID) (runtime.ExecutionContextID, error) {
	res, err := cdp.Call(ctx, s, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{FrameID: frame, WorldName: "mailreeve"})
	return res.ExecutionContextID, err
}

// evaluate runs an expression in mailreeve's own world of a target's main frame, and decodes what it gives.
func (v *visit) evaluate(ctx context.Context, s *session, expression string, into any) error {
	return evaluateIn(ctx, s, cdp.FrameID(s.target), expression, into)
}

func evaluateIn(ctx context.Context, s *session, frame cdp.FrameID, expression string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	in, err := world(ctx, s, frame)
	if err != nil {
		return err
	}
	yes := true
	res, err := cdp.Call(ctx, s, runtime.Evaluate, runtime.EvaluateParams{Expression: expression, ContextID: in, ReturnByValue: &yes, Silent: &yes})
	if err != nil {
		return err
	}
	if res.ExceptionDetails != nil {
		return errors.New("a script of mailreeve's own failed in the page")
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(res.Result.Value, into)
}

// freeze stops the page: no script runs any more, nothing moves, nothing more is loaded.
func (v *visit) freeze(ctx context.Context) {
	v.frozen.Store(true)
	all := fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: "*"}, {URLPattern: "*", RequestStage: fetch.RequestStageResponse}}}
	for _, s := range v.framesNow() {
		s.post(ctx, fetch.CommandEnable, all)
		s.post(ctx, emulation.CommandSetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		s.post(ctx, runtime.CommandTerminateExecution, nil)
		s.post(ctx, page.CommandStopLoading, nil)
		s.post(ctx, animation.CommandEnable, nil)
		s.post(ctx, animation.CommandSetPlaybackRate, animation.SetPlaybackRateParams{PlaybackRate: 0})
	}
}

// drop forgets a frame that does not answer, so that it holds nobody up: its place in the picture is covered.
func (v *visit) drop(s *session) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if at := slices.Index(v.frames, s); at >= 0 {
		v.frames = slices.Delete(v.frames, at, at+1)
		v.silent++
	}
}

// dropSilent drops the frames that do not answer in time.
func (v *visit) dropSilent(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	var wg sync.WaitGroup
	for _, s := range v.framesNow() {
		if s == v.main {
			continue
		}
		wg.Go(func() {
			if _, err := cdp.Call(ctx, s, page.GetFrameTree, cdp.Empty{}); err != nil {
				v.drop(s)
			}
		})
	}
	wg.Wait()
}

// framesNow is the page and its frames that have a process of their own.
func (v *visit) framesNow() []*session {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.frames)
}

// storageScript reads what a frame's origin keeps in the browser, within bounds, and counts the values that it left.
const storageScript = `(() => {
	let left = 0
	const read = name => {
		const out = []
		let room = 2000000
		try {
			const s = window[name]
			for (let i = 0; i < s.length && room > 0; i++) {
				const k = s.key(i), v = s.getItem(k)
				room -= k.length + v.length
				if (room > 0) out.push({name: k, value: v})
			}
			left += s.length - out.length
		} catch {}
		return out
	}
	return {origin: self.origin, localStorage: read("localStorage"), sessionStorage: read("sessionStorage"), left}
})()`

// recordStorage records what the page and its frames keep in the browser, once for each origin.
func (v *visit) recordStorage(ctx context.Context) {
	seen := map[string]bool{}
	for _, s := range v.framesNow() {
		tree, err := cdp.Call(ctx, s, page.GetFrameTree, cdp.Empty{})
		if err != nil {
			continue
		}
		for _, f := range flat(tree.FrameTree, 100) {
			var one struct {
				harStorage
				Left int `json:"left"`
			}
			if err := evaluateIn(ctx, s, f.ID, storageScript, &one); err != nil || seen[one.Origin] {
				continue
			}
			seen[one.Origin] = true
			v.record.store(one.harStorage, one.Left)
		}
	}
}

// flat is the frames of a tree, at most so many.
func flat(t *page.FrameTree, most int) []*cdp.Frame {
	out := []*cdp.Frame{t.Frame}
	for _, c := range t.ChildFrames {
		if len(out) >= most {
			break
		}
		out = append(out, flat(c, most-len(out))...)
	}
	return out
}

// documents names the documents that are shown now; it changes when any frame goes elsewhere.
func (v *visit) documents(ctx context.Context) (string, error) {
	var all []string
	for _, s := range v.framesNow() {
		tree, err := cdp.Call(ctx, s, page.GetFrameTree, cdp.Empty{})
		if err != nil {
			return "", err
		}
		for _, f := range flat(tree.FrameTree, 10_000) {
			all = append(all, string(f.ID)+" "+string(f.LoaderID))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n"), nil
}

// notes says what came in the way, without anything that the page could choose.
func (v *visit) notes() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	notes := append(v.proxy.notes(), v.record.notes()...)
	if v.status >= 400 {
		notes = append(notes, fmt.Sprintf("the page answered with status %d", v.status))
	}
	if v.popups > 0 {
		notes = append(notes, fmt.Sprintf("new windows closed: %d", v.popups))
	}
	if v.silent > 0 {
		notes = append(notes, fmt.Sprintf("frames that did not answer and were not looked at: %d", v.silent))
	}
	if v.alerts > 0 {
		notes = append(notes, fmt.Sprintf("dialogs dismissed: %d", v.alerts))
	}
	return notes
}
