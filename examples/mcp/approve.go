package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// An approver decides about calls that need approval: it asks whoever sits at the
// terminal.
type approver struct {
	*cli.App
	yes   bool          // to all
	lines <-chan string // what is typed while it asks; nil: there is nobody
	asks  atomic.Bool   // a question has no answer yet
	alone sync.Once     // that there is nobody was told
}

func newApprover(app *cli.App, yes bool) *approver {
	a := &approver{App: app, yes: yes}
	if !yes && !app.JSON && cli.IsTerminal(os.Stdin) && cli.IsTerminal(os.Stderr) {
		a.lines = typed(&a.asks)
	}
	return a
}

// typed passes on what is typed while somebody waits for it. What was typed before
// that is no answer to a question that had not been asked.
func typed(asks *atomic.Bool) <-chan string {
	lines := make(chan string)
	go func() { // as long as the program: reading a terminal cannot be cancelled
		defer close(lines)
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			if asks.CompareAndSwap(true, false) { // one line for each question
				lines <- strings.TrimSpace(in.Text())
			}
		}
	}()
	return lines
}

// decide is a Runner's Decide.
func (a *approver) decide(ctx context.Context, p runner.Pending) (runner.Input, error) {
	switch {
	case a.yes:
		return p.Approve(), nil
	case a.lines == nil:
		if !a.JSON {
			a.alone.Do(func() { a.Notice("there is no terminal to ask for approval at: denied; -yes approves all calls") })
		}
		return p.Deny("there is nobody to ask"), nil
	}
	a.Text(fmt.Sprintf("Run %s %s\n", p.ToolCall.Name, visible(p.ToolCall.Arguments))) // all of it
	a.asks.Store(true)                                                                 // before anybody can see the question, and answer it
	defer a.asks.Store(false)
	a.Ask("y, n, or why not:")
	answer, err := a.answer(ctx)
	if err != nil {
		return nil, err
	}
	switch strings.ToLower(answer) {
	case "y", "yes":
		return p.Approve(), nil
	case "", "n", "no":
		return p.Deny(""), nil
	}
	return p.Deny(answer), nil
}

// answer returns the next line that is typed; an empty one if there will be none.
func (a *approver) answer(ctx context.Context) (string, error) {
	select {
	case line, more := <-a.lines:
		if !more {
			a.Text("\n")
		}
		return line, nil
	case <-ctx.Done():
		a.Text("\n") // behind the ^C that the terminal shows
		return "", ctx.Err()
	}
}

// visible returns JSON with escapes for what a terminal does not show as it is.
func visible(json string) string {
	var b strings.Builder
	for _, r := range json {
		switch {
		case unicode.IsGraphic(r) || r == '\n':
			b.WriteRune(r)
		case r > 0xFFFF:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
