// Orderdesk is the back office of a shop. Several workers answer requests from a
// queue. A change above a limit waits for the approval of a person. All data is in
// one database, so the program can stop or die at any time, and another start
// continues.
//
// The shop and its tools are in internal/desk, the requests and their workers in
// internal/inbox, over the queue of sqljournal/queue, and the display in
// internal/board: you can copy these packages.
// The files here have the commands and the output.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/clerk"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/inbox"
)

func main() {
	app := cli.Bare()
	app.Own = true
	o := &office{App: app}
	flag.StringVar(&o.where, "db", "orderdesk.db", "an SQLite `file`, or postgres://… of a PostgreSQL database")
	flag.IntVar(&o.workers, "workers", 4, "number of concurrent requests")
	flag.BoolVar(&o.watch, "watch", false, "when all is done, wait for new requests and decisions")
	flag.DurationVar(&o.pause, "pause", 300*time.Millisecond, "time for which the scripted clerk thinks about a reply, without a key")
	flag.DurationVar(&o.lease, "lease", 10*time.Second, "time for which the requests of a dead process stay taken, at least 1s")
	flag.IntVar(&o.load, "load", 0, "measure a run of `n` copies of the requests at once, and do nothing else (-db default: a temporary file)")
	flag.CommandLine.Init("orderdesk", flag.ContinueOnError) // parse reports errors
	flag.CommandLine.SetOutput(io.Discard)
	app.Main("orderdesk", func(*cli.App) error {
		do, args, err := o.parse(os.Args[1:])
		if err != nil {
			_, _ = fmt.Fprintf(os.Stderr, "orderdesk: %v (-h for all)\n", err)
			os.Exit(2)
		}
		return o.run(do, args)
	})
}

// An office is one start of the program.
type office struct {
	*cli.App     // embedded: the flags and the output of the program
	where        string
	workers      int
	watch        bool
	pause, lease time.Duration
	load         int
	desk         *desk.Desk
	inbox        *inbox.Inbox
}

func (o *office) run(do command, args []string) error {
	ctx, stop := interruptible(context.Background())
	defer stop()
	if do.office == nil {
		return do.alone()
	}
	if o.load > 0 {
		where := ""
		if given("db") {
			where = o.where
		}
		return runLoad(ctx, os.Stdout, terminal(os.Stdout) != nil, where, o.load)
	}
	if err := o.open(ctx, do.makes); err != nil {
		return fmt.Errorf("%s: %w", o.place(), plain(err))
	}
	err := errors.Join(do.office(o, ctx, args), o.desk.Close())
	if err == nil {
		return nil
	}
	if words := plain(err); words.Error() != err.Error() { // an error of the database
		return fmt.Errorf("%s: %w", o.place(), words)
	}
	return err
}

// open opens the database. If makes is set, a new database gets the example shop
// and the requests of its users.
func (o *office) open(ctx context.Context, makes bool) (err error) {
	if !makes {
		if there, err := desk.Exists(ctx, o.where); err != nil || !there {
			return cmp.Or(err, errors.New("the database does not exist; work and add create it"))
		}
	}
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
	if o.inbox, err = inbox.Open(ctx, journal); err != nil {
		return err
	}
	fresh, err := o.desk.Seed(ctx)
	if err != nil {
		return err
	}
	asked, err := o.inbox.Seed(ctx, clerk.Requests()...)
	if err == nil && (fresh || asked) {
		o.note("%s is new. A small shop with %d requests was added.", o.place(), len(clerk.Requests()))
	}
	return err
}
