package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/board"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/clerk"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/inbox"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// work works off the queue.
func (o *office) work(ctx context.Context, _ []string) error {
	ctx, out, stop := heard(ctx, os.Stdout)
	defer stop()
	if o.Embedded {
		o.note("OPENAI_API_KEY is not set: a scripted clerk answers, and knows only the first requests.")
	} else {
		o.note("%s answers.", o.Model)
	}
	b := board.New(out, terminal(os.Stdout), o.workers)
	defer b.Close()
	defer context.AfterFunc(ctx, func() { b.Print("stopping after the calls that run; ^C again: at once") })()
	err := inbox.Workers{
		Inbox:  o.inbox,
		Agent:  o.desk.Agent(o.model()),
		Runner: runner.Runner{NoStream: true},
		Count:  o.workers,
		Watch:  o.watch,
		Report: func(r inbox.Report) { b.Report(r); o.hint(ctx, b, r) },
	}.Run(ctx)
	b.Close()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return cmp.Or(err, o.tellEnd(context.WithoutCancel(ctx)))
}

// hint prints the commands for a request that is paused. Without -watch, tellEnd
// prints them.
func (o *office) hint(ctx context.Context, b *board.Board, r inbox.Report) {
	if !o.watch || r.Event.Body != nil || r.Request.State != inbox.Paused {
		return
	}
	for _, p := range r.Request.Pending {
		if money, err := o.desk.Amount(ctx, p.ToolCall); err == nil { // tellEnd reports an error
			b.Print(fmt.Sprintf("request %d needs a decision about %s:", r.Request.ID, money))
		}
	}
	approve, deny := o.answers(r.Request)
	b.Print(approve)
	b.Print(deny)
}

// heard returns out, and a context that ends when the reader of out is gone. ^C ends
// all programs of a pipe, but this program must still end in order. Until the end of
// the program, a broken pipe is not a signal.
func heard(ctx context.Context, out io.Writer) (context.Context, io.Writer, context.CancelFunc) {
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := context.WithCancel(ctx)
	return ctx, listener{out, stop}, stop
}

// A listener stops the work when the reader is gone.
type listener struct {
	io.Writer
	stop context.CancelFunc
}

func (l listener) Write(p []byte) (int, error) {
	n, err := l.Writer.Write(p)
	if err != nil {
		l.stop()
	}
	return n, err
}

// model returns the model of the workers.
func (o *office) model() llm.Model {
	if o.Embedded {
		return clerk.Model(o.pause)
	}
	return o.Provider.Model(o.Model)
}

// terminal returns a function for the size of a terminal, or nil if f is not a
// terminal.
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

// interruptible returns a context that the first signal ends: ^C, the end of the
// terminal, or SIGTERM. The second signal ends the program as usual. Signals that
// the parent ignores, as nohup does, stay ignored.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	signals := []os.Signal{syscall.SIGTERM} // without any signal, Notify would relay all signals
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signals = append(signals, s)
		}
	}
	ctx, stop := signal.NotifyContext(ctx, signals...)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
