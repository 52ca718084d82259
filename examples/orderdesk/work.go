package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"golang.org/x/term"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/board"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/clerk"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/queue"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// work works off the queue.
func (o *office) work(ctx context.Context, _ []string) error {
	if o.Embedded {
		o.Note("OPENAI_API_KEY is not set: a scripted clerk answers, who knows only the first requests.")
	}
	b := board.New(os.Stdout, terminal(os.Stdout), o.workers)
	defer b.Close()
	defer context.AfterFunc(ctx, func() { b.Print("stopping; once more to stop at once") })()
	err := queue.Workers{
		Queue:  o.queue,
		Agent:  o.desk.Agent(o.model()),
		Runner: runner.Runner{NoStream: true},
		Count:  o.workers,
		Watch:  o.watch,
		Report: b.Report,
	}.Run(ctx)
	b.Close()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return cmp.Or(err, o.tellEnd(context.WithoutCancel(ctx)))
}

// model is whom the workers ask.
func (o *office) model() llm.Model {
	if o.Embedded {
		return clerk.Model(o.pause)
	}
	return o.Provider.Model(o.Model)
}

// terminal returns a function for the size of a terminal; nil: f is none.
func terminal(f *os.File) func() (width, height int) {
	if !cli.IsTerminal(f) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return func() (width, height int) {
		width, height, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return 80, 24
		}
		return width, height
	}
}

// interruptible returns a context that the first signal ends. The second one then
// ends the program, as if it had never been caught.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// tellEnd says what the queue has come to, and how to go on.
func (o *office) tellEnd(ctx context.Context) error {
	totals, err := o.queue.Totals(ctx)
	if err != nil {
		return err
	}
	all, err := o.queue.List(ctx)
	if err != nil {
		return err
	}
	if err := o.tellOpen(ctx, all); err != nil {
		return err
	}
	o.Text(fmt.Sprintf("\n%d done, %d asking, %d failed", totals.Done, totals.Asking, totals.Failed))
	if n := totals.Waiting + totals.Running; n > 0 {
		o.Text(fmt.Sprintf(", %d left, with which this goes on:\n  %s\n", n, o.invocation("")))
		return nil
	}
	o.Text(".\n")
	return nil
}

// maxTold is how many requests are told of at the end.
const maxTold = 10

// tellOpen says of requests that ask, or failed, what can be done about them.
func (o *office) tellOpen(ctx context.Context, all []queue.Request) error {
	all = slices.DeleteFunc(slices.Clone(all), func(r queue.Request) bool { return r.State != queue.Asking && r.State != queue.Failed })
	for i, r := range all {
		if i == maxTold {
			o.Text(fmt.Sprintf("\nAnd %d more: %s\n", len(all)-maxTold, o.invocation("list")))
			break
		}
		switch r.State {
		case queue.Asking:
			if err := o.tellAsking(ctx, r); err != nil {
				return err
			}
		case queue.Failed:
			o.Text(fmt.Sprintf("\nRequest %d failed: %s\n  %s\n", r.ID, cli.OneLine(r.Note), o.invocation("retry %d", r.ID)))
		}
	}
	return nil
}

// tellAsking says what a request waits for.
func (o *office) tellAsking(ctx context.Context, r queue.Request) error {
	o.Text(fmt.Sprintf("\nRequest %d waits for a decision:\n", r.ID))
	for _, p := range r.Pending {
		money, err := o.desk.Amount(ctx, p.ToolCall)
		if err != nil {
			return err
		}
		o.Text(fmt.Sprintf("  %s  %s\n", money, call(p)))
	}
	o.Text(fmt.Sprintf("  %s\n  %s\n", o.invocation("approve %d", r.ID), o.invocation(`deny %d "the reason"`, r.ID)))
	return nil
}
