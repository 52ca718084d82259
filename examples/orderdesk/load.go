package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/load"
)

// runLoad runs copies of the desk's own requests at once, against a slow provider,
// prints the measurements, and fails unless all results are exactly as expected. It
// adds the copies to the database; "" means a temporary file. live means that out is
// a terminal, which shows the progress.
func runLoad(ctx context.Context, out io.Writer, live bool, where string, copies int) (err error) {
	if where == "" {
		dir, err := os.MkdirTemp("", "orderdesk")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		where = filepath.Join(dir, "load.db")
	}
	d, err := desk.Open(ctx, where)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()

	began := time.Now()
	_, _ = fmt.Fprintf(out, "making the users and orders of %d requests…\n", copies)
	l, err := load.New(ctx, d, copies)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "ready after %.1f s; now all at once. The provider takes %v for a reply:\n%v to the first byte, the rest in %d pieces.\n",
		time.Since(began).Seconds(), load.Reply, load.FirstByte, load.Pieces)
	ended := func() {}
	if live {
		ended = showProgress(out, l, copies)
	}
	figures, failed := l.Run(ctx)
	ended()
	if ctx.Err() != nil {
		return context.Cause(ctx) // measurements of an interrupted run mean nothing
	}
	figures.Print(out)
	size, err := l.Size(ctx)
	if err != nil {
		return errors.Join(failed, err)
	}
	_, _ = fmt.Fprintf(out, "%-12s %.1f MB\n", "database", float64(size)/1e6)
	if err := errors.Join(failed, l.Check(ctx)); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%-12s every answer, object and event is as expected\n", "checked")
	return nil
}

// showProgress prints the number of finished requests every second in one line,
// until the caller calls the returned function.
func showProgress(out io.Writer, l *load.Load, copies int) (end func()) {
	stop, began := make(chan struct{}), time.Now()
	var showing sync.WaitGroup
	showing.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				_, _ = io.WriteString(out, "\r\x1b[K")
				return
			case <-tick.C:
				_, _ = fmt.Fprintf(out, "\r  %d of %d over · %s\x1b[K", l.Over(), copies, time.Since(began).Truncate(time.Second))
			}
		}
	})
	return func() { close(stop); showing.Wait() }
}
