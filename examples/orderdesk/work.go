package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/signal"
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
	if o.workers < 1 {
		return fmt.Errorf("%d workers: there must be one", o.workers)
	}
	if o.Embedded {
		o.Note("OPENAI_API_KEY is not set: a scripted clerk answers, who knows only the first requests.")
	} else {
		o.Note("%s answers.", o.Model)
	}
	b := board.New(os.Stdout, terminal(os.Stdout), o.workers)
	defer b.Close()
	defer context.AfterFunc(ctx, func() { b.Print("stopping when the calls that run have ended; once more to stop at once") })()
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
