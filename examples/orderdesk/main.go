// Orderdesk is the back office of a shop. It takes requests from a queue and has
// workers answer them, several at once; what costs more than a little waits until
// a person says yes. All of it is in one database, so that it can be stopped at
// any time, or die, and goes on when it is started again.
//
// The shop and its tools are in internal/desk, the queue and its workers in
// internal/queue, and what a terminal shows in internal/board: they can be copied.
// The files here have the commands and the printing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/clerk"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/queue"
)

const usage = `orderdesk [flags] [command]

  work                 work off the queue (without a command, too)
  list                 the requests and where they stand
  show ID              a request and its conversation
  add TEXT             a new request; add - reads them from stdin, one a line
  approve ID [CALL]    let the calls that wait run, or one of them
  deny ID [REASON]     keep them from running; the model reads the reason
  retry [ID…]          try requests again that failed: all, or these

flags:`

func main() {
	app := cli.Bare()
	app.Own = true
	o := &office{App: app}
	flag.StringVar(&o.where, "db", "orderdesk.db", "an SQLite `file`, or postgres://… of a PostgreSQL database")
	flag.IntVar(&o.workers, "workers", 4, "how many requests are worked on at once")
	flag.BoolVar(&o.watch, "watch", false, "when all is done, wait for new requests and decisions")
	flag.DurationVar(&o.pause, "pause", 300*time.Millisecond, "how long the scripted clerk thinks about a reply, without a key")
	flag.DurationVar(&o.lease, "lease", 10*time.Second, "how long the requests of a process that died stay taken")
	flag.IntVar(&o.load, "load", 0, "instead, work off `n` copies of the requests at once, and measure that (-db default: a temporary file)")
	app.Main(usage, func(*cli.App) error { return o.run() })
}

// office is one start of the program.
type office struct {
	*cli.App
	where        string
	workers      int
	watch        bool
	pause, lease time.Duration
	load         int
	desk         *desk.Desk
	queue        *queue.Queue
}

func (o *office) run() error {
	command, args, err := o.command()
	if err != nil {
		_, _ = fmt.Fprintln(flag.CommandLine.Output(), err)
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := interruptible(context.Background())
	defer stop()
	if o.load > 0 {
		return runLoad(ctx, os.Stdout, o.chosen(), o.load)
	}
	if err := o.open(ctx); err != nil {
		return err
	}
	return errors.Join(command(ctx, args), o.desk.Close())
}

// open opens the database. One that is new gets the example's shop, and the
// requests of its users.
func (o *office) open(ctx context.Context) (err error) {
	if o.desk, err = desk.Open(ctx, o.where); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = o.desk.Close()
		}
	}()
	journal := o.desk.Journal()
	journal.Lease = o.lease
	if o.queue, err = queue.Open(ctx, journal); err != nil {
		return err
	}
	fresh, err := o.desk.Seed(ctx)
	if err != nil {
		return err
	}
	asked, err := o.queue.Seed(ctx, clerk.Requests()...)
	if err == nil && (fresh || asked) {
		o.Note("%s is new: it got a small shop and %d requests of its users.", o.place(), len(clerk.Requests()))
	}
	return err
}

// chosen is the database that was asked for, or "".
func (o *office) chosen() (where string) {
	flag.Visit(func(f *flag.Flag) {
		if f.Name == "db" {
			where = o.where
		}
	})
	return where
}

// place names the database, without the password that its URL may have.
func (o *office) place() string {
	if u, err := url.Parse(o.where); err == nil && u.User != nil {
		return u.Redacted()
	}
	return o.where
}
