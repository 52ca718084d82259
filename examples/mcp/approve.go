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

// An approver asks the user at the terminal about each call that needs approval.
type approver struct {
	*cli.App               // embedded: the flags and the output of the program
	yes      bool          // approve all calls
	lines    <-chan string // the input while a question is open; nil without a terminal
	asks     atomic.Bool   // a question has no answer yet
	alone    sync.Once     // limits the message about the missing terminal to one
}

func newApprover(app *cli.App, yes bool) *approver {
	a := &approver{App: app, yes: yes}
	if !yes && !app.JSON && cli.IsTerminal(os.Stdin) && cli.IsTerminal(os.Stderr) {
		a.lines = typed(&a.asks)
	}
	return a
}

// typed sends the lines of the terminal while a question is open. Earlier lines are
// dropped, because the user typed these lines before the question.
func typed(asks *atomic.Bool) <-chan string {
	lines := make(chan string)
	go func() { // lives as long as the program: a read from a terminal cannot be cancelled
		defer close(lines)
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			if asks.CompareAndSwap(true, false) { // one line for each question
				lines <- strings.TrimSpace(in.Text())
			}
		}
	}()
	return lines
}

// decide implements Runner.Decide. The run lives in memory, so no call is in doubt.
func (a *approver) decide(ctx context.Context, p runner.Pending) (runner.Input, error) {
	switch {
	case a.yes:
		return p.Approve(), nil
	case a.lines == nil:
		if !a.JSON {
			a.alone.Do(func() {
				a.Notice("there is no terminal, so calls that need approval are denied; -yes approves all calls")
			})
		}
		return p.Deny("there is no terminal to ask a person"), nil
	}
	a.Text(fmt.Sprintf("Run %s %s\n", p.ToolCall.Name, visible(p.ToolCall.Arguments))) // the whole arguments
	a.asks.Store(true)                                                                 // before the user can see the question and answer it
	defer a.asks.Store(false)
	a.Ask("y, n, or a reason to deny:")
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

// answer returns the next line of the input, and "" after the end of the input.
func (a *approver) answer(ctx context.Context) (string, error) {
	select {
	case line, more := <-a.lines:
		if !more {
			a.Text("\n")
		}
		return line, nil
	case <-ctx.Done():
		a.Text("\n") // after the ^C that the terminal shows
		return "", ctx.Err()
	}
}

// visible escapes all characters of a JSON text that a terminal hides.
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
