// Package main_test runs the program with a browser, as a person would.
package main_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/browser"
	"github.com/seed-916e8f6a/toolloop/internal/tied"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
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
	tied.Tie(d.cmd)
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
		reload(p)
		p.Shows("three")
		p.Shows("The answer breaks off here.")
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
	t.Run("kill, and the model fails", func(t *testing.T) {
		b, d := browser.Start(t), openDesk(t, program, paced(t, llmtest.Text(numbers), llmtest.Fail(&llm.APIError{StatusCode: 401})))
		p := b.Open(d.url)
		write(p, "Count.")
		p.Shows("eighteen") // a second, so the beginning is in the journal
		d.kill()
		d.again()
		p.Shows("The answer breaks off here.")
		reload(p)
		p.Shows("The answer breaks off here.")
		p.Shows("one two three")
		require.NotContains(t, p.Text(), "twenty")
		pictures(t, p, "partial")
	})
	t.Run("always", func(t *testing.T) {
		refund := func(order string, amount int) llmtest.Step {
			return llmtest.Calls("refund", map[string]any{"order": order, "amount": amount})
		}
		b, d := browser.Start(t), openDesk(t, program, paced(t,
			refund("W1", 500), refund("W1", 500), refund("W2", 700), refund("W3", 800), llmtest.Text("All are paid.")))
		p := b.Open(d.url)
		write(p, "Refund all.")
		for i, choice := range []string{"arguments", "tool"} {
			p.Shows("waits for you")
			p.Until("!document.querySelector('#state').textContent")
			p.Eval("document.querySelector('.ask select').value = '" + choice + "'")
			pictures(t, p, "always-"+choice)
			p.Click(".yes")
			p.Until(fmt.Sprintf("document.querySelectorAll('.status.good').length >= %d", 2*i+2)) // with the call that needs no question
		}
		p.Shows("All are paid.")
		receipts, err := os.ReadDir(filepath.Join(d.dir, "receipts"))
		require.NoError(t, err)
		require.Len(t, receipts, 4)
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
