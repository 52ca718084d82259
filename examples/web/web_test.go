// Package main_test runs the program with a browser, as a person would.
package main_test

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/browser"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/serve"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A desk is the program web, which a test kills and starts again on the same port.
type desk struct {
	t        *testing.T
	program  string
	dir, url string
	env      []string
	cmd      *exec.Cmd
}

// build builds the program.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "web"+map[bool]string{true: ".exe"}[runtime.GOOS == "windows"])
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput() //nolint:gosec // the paths are the test's
	require.NoError(t, err, string(out))
	return program
}

func (d *desk) start(address string) {
	d.t.Helper()
	d.cmd = exec.CommandContext(d.t.Context(), d.program, "-addr", address, "-dir", d.dir)
	own := slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "OPENAI_") })
	d.cmd.Env = append(own, d.env...)
	out, err := d.cmd.StdoutPipe()
	require.NoError(d.t, err)
	d.cmd.Stderr = os.Stderr
	require.NoError(d.t, d.cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(d.t, err)
	d.url = regexp.MustCompile(`http://[0-9.:]+`).FindString(line)
	require.NotEmpty(d.t, d.url, line)
}

// kill ends the program as kill -9 does.
func (d *desk) kill() {
	d.t.Helper()
	require.NoError(d.t, d.cmd.Process.Kill())
	_ = d.cmd.Wait() // it was killed
}

// again starts the program again, with all conversations.
func (d *desk) again() { d.start(strings.TrimPrefix(d.url, "http://")) }

// openDesk starts the program with a scripted model, or with the embedded demo.
func openDesk(t *testing.T, program string, script *llmtest.Model) *desk {
	t.Helper()
	d := &desk{t: t, program: program, dir: t.TempDir()}
	if script != nil {
		d.env = []string{"OPENAI_BASE_URL=" + script.Serve().BaseURL, "OPENAI_API_KEY=k"}
	}
	d.start("127.0.0.1:0")
	t.Cleanup(d.kill)
	return d
}

const numbers = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty"

// paced returns a script that writes an answer slowly enough to be interrupted.
func paced(t *testing.T, steps ...llmtest.Step) *llmtest.Model {
	t.Helper()
	m := llmtest.Script(t, steps...)
	m.Delay = 60 * time.Millisecond
	return m
}

// write writes a message and sends it.
func write(p *browser.Page, text string) {
	p.Click("#text")
	p.Type(text)
	p.Press("Enter")
}

// TestWeb: the chat page in a browser.
func TestWeb(t *testing.T) {
	t.Parallel()
	program := build(t)

	t.Run("demo", func(t *testing.T) {
		b, d := browser.Start(t), openDesk(t, program, nil)
		p := b.Open(d.url)
		p.Click("#ideas button:nth-child(2)")
		p.Shows("waits for you")
		p.Shows("250")
		d.kill() // the question waits in the journal
		d.again()
		reload(p)
		p.Shows("waits for you")
		p.Click(".yes")
		p.Shows("250.00 euros were paid back for order W2002.")
		p.Until("document.querySelectorAll('.status.good').length === 4 && !document.querySelector('#state').textContent")
		receipts, err := os.ReadDir(filepath.Join(d.dir, "receipts"))
		require.NoError(t, err)
		require.Len(t, receipts, 2)
		pictures(t, p, "done")
	})
	t.Run("stop", func(t *testing.T) {
		b, d := browser.Start(t), openDesk(t, program, paced(t, llmtest.Text(numbers), llmtest.Text("Here I am.")))
		p := b.Open(d.url)
		write(p, "Count.")
		p.Shows("three")
		p.Click("#stop")
		p.Shows("Stopped.")
		require.NotContains(t, p.Text(), "twenty")
		write(p, "Are you there?")
		p.Shows("Here I am.")
	})
	t.Run("reload in the middle, and a second tab", func(t *testing.T) {
		b, d := browser.Start(t), openDesk(t, program, paced(t, llmtest.Text(numbers)))
		p := b.Open(d.url)
		write(p, "Count.")
		p.Shows("three")
		here := p.Eval("location.href").(string)
		tab := b.Open(here)
		reload(p)
		for _, page := range []*browser.Page{p, tab} {
			page.Shows("twenty")
			page.Until("!document.querySelector('#state').textContent")
			require.Equal(t, 1, strings.Count(page.Text(), numbers))
			require.Equal(t, 1, strings.Count(page.Text(), "Count."))
		}
	})
	t.Run("kill in the middle", func(t *testing.T) {
		b, d := browser.Start(t), openDesk(t, program, paced(t, llmtest.Text(numbers).Forever()))
		p := b.Open(d.url)
		write(p, "Count.")
		p.Shows("three")
		d.kill()
		p.Shows("The server does not answer.")
		d.again()
		p.Shows("twenty") // the page comes back by itself, and the run goes on
		p.Until("!document.querySelector('#state').textContent")
		require.Equal(t, 1, strings.Count(p.Text(), numbers))
	})
	t.Run("hostile", func(t *testing.T) {
		hostile := strings.Join([]string{
			`<script>console.error("pwned")</script>`, `"><img src=x onerror='console.error("pwned")'>`, `</div></main></html><svg/onload=console.error("pwned")>`,
			`[x](javascript:console.error("pwned"))`, "a\u202egpj.exe\u2066b", "\x1b]0;pwned\x07\x1b[2J", "\ufeff\u2028end",
		}, " ")
		args := map[string]any{"order": hostile, hostile: hostile, "amount": 500}
		d, b := openDesk(t, program, paced(t, llmtest.Reasoning(hostile).And(llmtest.Text(hostile), llmtest.Calls("find_order", args), llmtest.Calls(hostile, args)), llmtest.Text("That was all."))), browser.Start(t)
		p := b.Open(d.url)
		write(p, hostile)
		p.Shows("That was all.")
		for range 2 {
			p.Until("!document.querySelector('#state').textContent")
			require.Empty(t, p.Said())
			require.Equal(t, []any{1.0, 0.0, 0.0, 0.0}, p.Eval("['script', 'img', 'svg', 'a'].map((tag) => document.getElementsByTagName(tag).length)"))
			require.GreaterOrEqual(t, strings.Count(p.Text(), "onload=console.error"), 4)
			require.Equal(t, "Order desk", p.Eval("document.title"))
			reload(p)
			p.Shows("That was all.")
		}
	})
	t.Run("deny", func(t *testing.T) {
		b, d := browser.Start(t), openDesk(t, program, paced(t, llmtest.Calls("refund", map[string]any{"order": "W1", "amount": 500}), llmtest.Text("Then not.")))
		p := b.Open(d.url)
		write(p, "Refund W1.")
		p.Shows("waits for you")
		pictures(t, p, "question")
		p.Click(".ask input")
		p.Type("it is too old")
		p.Click(".no")
		p.Shows("Then not.")
		p.Shows("denied")
		p.Shows("Reason: it is too old")
		pictures(t, p, "denied")
		reload(p)
		p.Shows("Reason: it is too old")
	})
}

// served serves the page with another chat.
func served(t *testing.T, c serve.Config) (url string) {
	t.Helper()
	c.Session = func(_ *http.Request, id string) (string, error) { return id, nil }
	c.Logger = slog.New(slog.DiscardHandler)
	chat, err := c.Chat()
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(os.DirFS("page")))
	mux.Handle("/api/chat", chat.UIStream())
	mux.Handle("/api/chat/", chat.UIStream())
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		require.NoError(t, chat.Shutdown(context.WithoutCancel(t.Context())))
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// TestRefused: a visitor whose answer is refused reads it once, and sees the question again.
func TestRefused(t *testing.T) {
	t.Parallel()
	pay := tool.Must(tool.New("pay", "Pays.", func(context.Context, struct{}) (string, error) { return "Paid.", nil }, tool.NeedsApproval()))
	var asked atomic.Int64
	rule := func(context.Context, runner.Pending, runner.Decision) error {
		if asked.Add(1) == 1 {
			return errors.New("somebody else")
		}
		return nil
	}
	b := browser.Start(t)
	p := b.Open(served(t, serve.Config{
		Runner: runner.Runner{MayAnswer: rule}, Agent: &agent.Agent{Model: paced(t, llmtest.Calls("pay", nil), llmtest.Text("It is done.")), Tools: []tool.Tool{pay}},
	}))
	write(p, "Pay.")
	p.Click(".yes")
	p.Shows("You may not answer this question.")
	p.Shows("waits for you")
	require.Equal(t, int64(1), asked.Load())
	p.Click(".yes")
	p.Shows("It is done.")
	p.Until("!document.querySelector('#state').textContent")
	require.NotContains(t, p.Text(), "may not")
}

// TestHelper: what a helper says and does stands in the card of its call, live and again.
func TestHelper(t *testing.T) {
	t.Parallel()
	pay := tool.Must(tool.New("pay", "Pays.", func(context.Context, struct{}) (string, error) { return "30.00 euros went out.", nil }, tool.NeedsApproval()))
	cashier := &agent.Agent{Name: "cashier", Tools: []tool.Tool{pay}}
	chief := &agent.Agent{Name: "chief", Helpers: []agent.Helper{{Name: "ask_cashier", Description: "Pays.", Agent: cashier}}, Model: paced(t,
		llmtest.Calls("ask_cashier", map[string]string{"task": "Pay 30.00 to W1."}), llmtest.Text("I open the till.").And(llmtest.Calls("pay", nil)),
		llmtest.Text("It is paid."), llmtest.Text("The money is on its way."))}
	b := browser.Start(t)
	p := b.Open(served(t, serve.Config{Agent: chief}))
	write(p, "Pay W1.")
	p.Shows("waits for you")
	tab := b.Open(p.Eval("location.href").(string))
	tab.Shows("waits for you")
	p.Click(".card .inside .yes")
	p.Shows("The money is on its way.")
	reload(tab)
	for _, page := range []*browser.Page{p, tab} {
		page.Until("!document.querySelector('#state').textContent && document.querySelectorAll('.status.good').length === 2")
		require.Equal(t, "cashierI open the till.|pay|30.00 euros went out.", page.Eval(`(() => {
			const inside = document.querySelector('.card > .inside');
			return [inside.querySelector(':scope > .text').textContent, inside.querySelector('.name').textContent, inside.querySelector('.result').textContent].join('|');
		})()`))
		require.Equal(t, 1, strings.Count(page.Text(), "It is paid."))
		require.Empty(t, page.Said())
	}
	pictures(t, p, "helper")
}

// reload loads the page again.
func reload(p *browser.Page) {
	here, _ := p.Eval("location.href").(string)
	p.Go("about:blank")
	p.Go(here)
}

// pictures keeps pictures of a page where a developer can look at them, if
// TOOLLOOP_PICTURES names a directory.
func pictures(t *testing.T, p *browser.Page, name string) {
	t.Helper()
	dir := os.Getenv("TOOLLOOP_PICTURES")
	if dir == "" {
		return
	}
	for shade, dark := range map[string]bool{"light": false, "dark": true} {
		for width, pixels := range map[string]int{"wide": 1000, "narrow": 390} {
			p.Screen(pixels, 844, dark)
			require.NoError(t, os.WriteFile(filepath.Join(dir, strings.Join([]string{"web", name, shade, width}, "-")+".png"), p.Picture(), 0o600))
		}
	}
}
