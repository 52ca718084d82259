// Package browser drives headless Chromium in tests, over a pipe with the DevTools
// protocol: without a library, a port or a driver.
package browser

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// Patience bounds each wait for the browser. Machines of tests are slow at times.
const Patience = 2 * time.Minute

// Program returns the path of Chromium, or skips the test. With TOOLLOOP_REQUIRE_CHROMIUM
// in the environment, the test fails.
func Program(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if program, err := exec.LookPath(name); err == nil {
			return program
		}
	}
	const missing = "this test needs Chromium: install it, on Debian with apt-get install chromium"
	if os.Getenv("TOOLLOOP_REQUIRE_CHROMIUM") != "" {
		t.Fatal(missing + "; and TOOLLOOP_REQUIRE_CHROMIUM is set")
	}
	t.Skip(missing)
	return ""
}

// dbus matches the complaints of Chromium on a machine without a desktop.
var dbus = regexp.MustCompile(`(?m)^.*dbus.*\n`)

// A Browser is a process of Chromium.
type Browser struct {
	t     testing.TB
	cmd   *exec.Cmd
	out   io.WriteCloser
	write sync.Mutex

	mu      sync.Mutex
	last    int
	answers map[int]chan answer // of the commands on their way
	pages   map[string]*Page    // by session
	ended   error               // why the browser says nothing more
}

type answer struct {
	Result json.RawMessage
	Err    error
}

// Start starts a browser with an empty profile, which ends with the test. The arguments are
// added to the usual arguments.
func Start(t testing.TB, arguments ...string) *Browser {
	t.Helper()
	program, dir := Program(t), t.TempDir()
	in, theirOut, err := os.Pipe()
	check(t, err)
	theirIn, out, err := os.Pipe()
	check(t, err)
	b := &Browser{t: t, out: out, answers: map[int]chan answer{}, pages: map[string]*Page{}}
	arguments = append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
		"--remote-debugging-pipe", "--user-data-dir=" + filepath.Join(dir, "profile"),
	}, arguments...)
	b.cmd = exec.Command(program, append(arguments, "about:blank")...) //nolint:gosec,noctx // the tests choose the arguments; the cleanup ends the process
	b.cmd.ExtraFiles = []*os.File{theirIn, theirOut}                   // 3 and 4, as the protocol says
	var said bytes.Buffer
	b.cmd.Stderr = &said
	b.cmd.WaitDelay = time.Second
	check(t, b.cmd.Start())
	check(t, errors.Join(theirIn.Close(), theirOut.Close()))
	read := make(chan struct{})
	go func() { defer close(read); b.read(in) }()
	t.Cleanup(func() {
		_ = out.Close() // the browser ends itself then; Kill is for a browser that does not
		timer := time.AfterFunc(10*time.Second, func() { _ = b.cmd.Process.Kill() })
		defer timer.Stop()
		_ = b.cmd.Wait() // after Kill
		_ = in.Close()
		<-read
		if t.Failed() {
			t.Logf("the browser said: %s", dbus.ReplaceAllString(said.String(), ""))
		}
	})
	return b
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A message of the browser is an answer, or an event of a page.
type message struct {
	ID        int
	SessionID string
	Method    string
	Params    json.RawMessage
	Result    json.RawMessage
	Error     *struct{ Message string }
}

func (b *Browser) read(in io.Reader) {
	r := bufio.NewReader(in)
	for {
		line, err := r.ReadBytes(0)
		if err != nil {
			b.end(fmt.Errorf("the browser has ended: %w", err))
			return
		}
		var m message
		if err := json.Unmarshal(line[:len(line)-1], &m); err != nil {
			b.end(err)
			return
		}
		b.mu.Lock()
		to, page := b.answers[m.ID], b.pages[m.SessionID]
		delete(b.answers, m.ID)
		b.mu.Unlock()
		switch {
		case to != nil && m.Error != nil:
			to <- answer{Err: errors.New(m.Error.Message)}
		case to != nil:
			to <- answer{Result: m.Result}
		case page != nil:
			page.event(m)
		}
	}
}

func (b *Browser) end(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = err
	for id, to := range b.answers {
		to <- answer{Err: err}
		delete(b.answers, id)
	}
}

// call sends a command and waits for its answer.
func (b *Browser) call(session, method string, params map[string]any, result any) error {
	to := make(chan answer, 1)
	b.mu.Lock()
	err := b.ended
	b.last++
	id := b.last
	b.answers[id] = to
	b.mu.Unlock()
	if err != nil {
		return err
	}
	command := map[string]any{"id": id, "method": method, "params": params}
	if session != "" {
		command["sessionId"] = session
	}
	data, err := json.Marshal(command)
	if err != nil {
		return err
	}
	b.write.Lock()
	_, err = b.out.Write(append(data, 0))
	b.write.Unlock()
	if err != nil {
		return err
	}
	select {
	case a := <-to:
		if a.Err != nil || result == nil {
			return a.Err
		}
		return json.Unmarshal(a.Result, result)
	case <-time.After(Patience):
		return fmt.Errorf("the browser does not answer %s", method)
	}
}

// A Page is a tab.
type Page struct {
	b       *Browser
	t       testing.TB
	session string

	mu    sync.Mutex
	said  []string
	loads int
}

// Open opens an address in a tab of its own, and waits until the page has loaded.
func (b *Browser) Open(address string) *Page {
	b.t.Helper()
	var target struct{ TargetID string }
	check(b.t, b.call("", "Target.createTarget", map[string]any{"url": "about:blank"}, &target))
	var attached struct{ SessionID string }
	check(b.t, b.call("", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached))
	p := &Page{b: b, t: b.t, session: attached.SessionID}
	b.mu.Lock()
	b.pages[p.session] = p
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		p.do(domain+".enable", nil, nil)
	}
	p.Go(address)
	return p
}

func (p *Page) do(method string, params map[string]any, result any) {
	p.t.Helper()
	if params == nil {
		params = map[string]any{}
	}
	if err := p.b.call(p.session, method, params, result); err != nil {
		p.t.Fatalf("%s: %v", method, err)
	}
}

// event notes messages of the console.
func (p *Page) event(m message) {
	var about struct {
		Type             string
		Args             []struct{ Value, Description any }
		Entry            struct{ Level, Text, URL string }
		ExceptionDetails struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	if json.Unmarshal(m.Params, &about) != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch m.Method {
	case "Runtime.consoleAPICalled":
		p.said = append(p.said, fmt.Sprint(about.Type, ": ", about.Args))
	case "Runtime.exceptionThrown":
		p.said = append(p.said, about.ExceptionDetails.Text+" "+about.ExceptionDetails.Exception.Description)
	case "Log.entryAdded":
		p.said = append(p.said, about.Entry.Level+": "+about.Entry.Text+" "+about.Entry.URL)
	case "Page.loadEventFired":
		p.loads++
	}
}

func (p *Page) loaded() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.loads
}

// Said returns the messages of the console: of scripts, exceptions, and refusals of the
// policy and the network.
func (p *Page) Said() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.said...)
}

// Go opens another address in the tab, and waits until the page has loaded.
func (p *Page) Go(address string) {
	p.t.Helper()
	p.loading(func() {
		var done struct{ ErrorText string }
		p.do("Page.navigate", map[string]any{"url": address}, &done)
		if done.ErrorText != "" {
			p.t.Fatalf("%s: %s", address, done.ErrorText)
		}
	})
}

// loading waits for a page after f.
func (p *Page) loading(f func()) {
	p.t.Helper()
	before := p.loaded()
	f()
	p.wait("the page to load", func() bool { return p.loaded() > before })
}

func (p *Page) wait(what string, done func() bool) {
	p.t.Helper()
	for limit := time.Now().Add(Patience); !done(); {
		if time.Now().After(limit) {
			p.t.Fatalf("no end of the wait for %s; the console: %q; the page: %.4000s", what, p.Said(), p.Text())
		}
		<-time.After(20 * time.Millisecond)
	}
}

// Eval returns the value of an expression in JavaScript, as encoding/json decodes the
// value. Eval waits for a promise.
func (p *Page) Eval(expression string) any {
	p.t.Helper()
	var got struct {
		Result           struct{ Value any }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	p.do("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true, "userGesture": true}, &got)
	if e := got.ExceptionDetails; e != nil {
		p.t.Fatalf("%s: %s %s", expression, e.Text, e.Exception.Description)
	}
	return got.Result.Value
}

// Until waits until an expression is true.
func (p *Page) Until(expression string) {
	p.t.Helper()
	p.wait(expression, func() bool {
		var got struct{ Result struct{ Value any } }
		// Between two documents, an evaluation can fail.
		err := p.b.call(p.session, "Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &got)
		return err == nil && got.Result.Value == true
	})
}

// Shows waits until the page shows a text, or has the text in its main part: innerText leaves
// out what content-visibility has not drawn yet.
func (p *Page) Shows(text string) {
	p.t.Helper()
	p.Until("(document.body?.innerText + ' ' + document.querySelector('main')?.textContent).includes(" + quote(text) + ")")
}

// Text returns the text that the page shows.
func (p *Page) Text() string {
	var got struct{ Result struct{ Value any } }
	_ = p.b.call(p.session, "Runtime.evaluate", map[string]any{"expression": "document.body?.innerText", "returnByValue": true}, &got) // "" then
	text, _ := got.Result.Value.(string)
	return text
}

func quote(s string) string {
	data, _ := json.Marshal(s) // cannot fail
	return string(data)
}

// Click clicks on the first element that a selector finds, with the mouse.
func (p *Page) Click(selector string) {
	p.t.Helper()
	p.Until("!!document.querySelector(" + quote(selector) + ")")
	at, _ := p.Eval(`(() => { const e = document.querySelector(` + quote(selector) + `); e.scrollIntoView({block: 'center', behavior: 'instant'}); const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] })()`).([]any)
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		p.do("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1}, nil)
	}
}

// Follow clicks on an element, and waits for the page behind it.
func (p *Page) Follow(selector string) {
	p.t.Helper()
	p.loading(func() { p.Click(selector) })
}

// Type writes a text into the element with the focus.
func (p *Page) Type(text string) {
	p.t.Helper()
	p.do("Input.insertText", map[string]any{"text": text}, nil)
}

// Press presses a key, such as "Tab", "Enter" or "j".
func (p *Page) Press(key string) {
	p.t.Helper()
	codes := map[string]int{"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}
	down := map[string]any{"type": "keyDown", "key": key, "windowsVirtualKeyCode": codes[key]}
	switch {
	case key == "Enter":
		down["text"] = "\r"
	case len(key) == 1:
		down["text"] = key
		down["windowsVirtualKeyCode"] = int(strings.ToUpper(key)[0])
	}
	p.do("Input.dispatchKeyEvent", down, nil)
	p.do("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key, "windowsVirtualKeyCode": down["windowsVirtualKeyCode"]}, nil)
}

// Screen sets the size of the page in pixels, and light or dark.
func (p *Page) Screen(width, height int, dark bool) {
	p.t.Helper()
	p.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	p.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": map[bool]string{true: "dark", false: "light"}[dark]}}}, nil)
}

// Script allows or forbids scripts in the pages of the tab, from the next page on.
func (p *Page) Script(allowed bool) {
	p.t.Helper()
	p.do("Emulation.setScriptExecutionDisabled", map[string]any{"value": !allowed}, nil)
}

// Picture returns a picture of the visible part of the page, as PNG.
func (p *Page) Picture() []byte {
	p.t.Helper()
	var shot struct{ Data string }
	p.do("Page.captureScreenshot", map[string]any{"format": "png"}, &shot)
	data, err := base64.StdEncoding.DecodeString(shot.Data)
	check(p.t, err)
	return data
}
