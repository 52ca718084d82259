// Backoffice works off a list of requests. Each request is a session in a file, so
// a start of the program continues where the last one ended or died. A payment
// above 500 euros waits for the command approve or deny.
//
// The tools and the agent are in tools.go. This file has the job.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

const usage = "backoffice [flags] [list | approve request | deny request reason]"

// requests is the work to do, by number. Yours would come from a mailbox or a table.
var requests = []string{
	1: "Please pay Miller Paper for order P101.",
	2: "The chairs of order P102 have arrived. Please pay.",
	3: "Please pay Ines Cole for order P103.",
	4: "Please pay for order P109.", // an unknown order
	5: "Please pay Lakeside Print for order P104.",
}

func main() {
	dir := flag.String("dir", "", "directory of the sessions and payments (default toolloop-backoffice in the user's cache)")
	cli.Main(usage, func(app *cli.App) error {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		if *dir == "" {
			cache, err := os.UserCacheDir()
			if err != nil {
				return fmt.Errorf("%w; set -dir", err)
			}
			*dir = filepath.Join(cache, "toolloop-backoffice")
		}
		o := office{
			App:    app,
			clerk:  clerk(app.Provider.Model(app.Model), bank{filepath.Join(*dir, "payments")}),
			runner: runner.Runner{Journal: journal.Dir{Path: filepath.Join(*dir, "sessions")}, NoStream: app.NoStream},
		}
		return o.run(ctx)
	})
}

// An office is one start of the program.
type office struct {
	*cli.App // embedded: the flags and the output of the program
	clerk    *agent.Agent
	runner   runner.Runner
}

func (o *office) run(ctx context.Context) error {
	switch {
	case len(o.Args) == 0:
		return o.workAll(ctx)
	case o.Args[0] == "list" && len(o.Args) == 1:
		return o.list(ctx)
	case o.Args[0] == "approve" && len(o.Args) == 2:
		return o.decide(ctx, o.Args[1], runner.Pending.Approve)
	case o.Args[0] == "deny" && len(o.Args) >= 2:
		reason := strings.Join(o.Args[2:], " ")
		return o.decide(ctx, o.Args[1], func(p runner.Pending) runner.Input { return p.Deny(reason) })
	}
	return &cli.UsageError{Err: fmt.Errorf("unexpected command %q; -h prints the usage", strings.Join(o.Args, " "))}
}

// session returns the session of a request. The name is the same at each start.
func (o *office) session(n int) *runner.Session {
	return o.runner.Session(fmt.Sprintf("request-%d", n))
}

// workAll takes each request as far as possible.
func (o *office) workAll(ctx context.Context) error {
	for n := 1; n < len(requests); n++ {
		// Once is the same at each start: a request that began before continues.
		err := o.work(ctx, n, runner.Once("begin", llm.User(requests[n])))
		if _, busy := errors.AsType[*journal.BusyError](err); busy {
			o.Notice("request %d: another process works on it", n)
			continue
		}
		if err != nil {
			return fmt.Errorf("request %d: %w", n, err)
		}
	}
	return nil
}

// work runs a request until the final answer, or until a call needs approval.
func (o *office) work(ctx context.Context, n int, in ...runner.Input) error {
	did := false
	for e, err := range o.session(n).Stream(ctx, o.clerk, in...) {
		did = true
		switch {
		case errors.Is(err, runner.ErrPaused):
			return o.ask(ctx, n)
		case err != nil:
			return err
		}
		o.PrintEvent(e)
	}
	if !did { // an earlier start has finished this request
		o.Notice("request %d is done", n)
	}
	return nil
}

// ask prints the calls of a request that wait for approval. They stay in the
// session, so the decision can come from any later start.
func (o *office) ask(ctx context.Context, n int) error {
	waiting, err := o.session(n).Pending(ctx)
	for _, p := range waiting {
		o.Notice("request %d waits for approval: %s %s", n, p.ToolCall.Name, p.ToolCall.Arguments)
		o.Notice("  Start the program again with: approve %d, or: deny %d \"the reason\"", n, n)
	}
	return err
}

// decide gives the same decision on all calls of a request that wait, and
// continues the request.
func (o *office) decide(ctx context.Context, request string, decision func(runner.Pending) runner.Input) error {
	n, err := number(request)
	if err != nil {
		return err
	}
	waiting, err := o.session(n).Pending(ctx)
	if err != nil {
		return err
	}
	if len(waiting) == 0 {
		return fmt.Errorf("request %d does not wait for a decision", n)
	}
	var in []runner.Input
	for _, p := range waiting {
		in = append(in, decision(p))
	}
	return o.work(ctx, n, in...)
}

func number(request string) (int, error) {
	for n := 1; n < len(requests); n++ {
		if request == fmt.Sprint(n) {
			return n, nil
		}
	}
	return 0, fmt.Errorf("there is no request %q; list prints all requests", request)
}

// list prints the state of each request.
func (o *office) list(ctx context.Context) error {
	for n := 1; n < len(requests); n++ {
		state, err := o.state(ctx, n)
		if err != nil {
			return fmt.Errorf("request %d: %w", n, err)
		}
		o.Text(fmt.Sprintf("%d  %-11s  %s\n", n, state, requests[n]))
	}
	return nil
}

func (o *office) state(ctx context.Context, n int) (string, error) {
	messages, err := o.session(n).Messages(ctx)
	if err != nil {
		return "", err
	}
	waiting, err := o.session(n).Pending(ctx)
	switch {
	case err != nil:
		return "", err
	case len(messages) == 0:
		return "new", nil
	case len(waiting) > 0:
		return "waiting", nil
	}
	last := messages[len(messages)-1]
	if last.Role == llm.RoleAssistant && len(last.Calls()) == 0 {
		return "done", nil
	}
	return "interrupted", nil
}
