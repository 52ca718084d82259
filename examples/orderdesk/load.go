package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/load"
)

// runLoad works off so many copies of the desk's own requests at once, against a
// slow provider, prints what that took, and fails unless all came to exactly what
// it must. The copies are added to the database; "" is a file that is removed
// afterwards.
func runLoad(ctx context.Context, out io.Writer, where string, copies int) (err error) {
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
	l, err := load.New(ctx, d, copies)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%d requests at once, their users ready in %.1f s; the provider takes %v for a reply: %v to the first byte, the rest in %d pieces\n",
		copies, time.Since(began).Seconds(), load.Reply, load.FirstByte, load.Pieces)
	figures, failed := l.Run(ctx)
	figures.Print(out)
	size, err := l.Size(ctx)
	if err != nil {
		return errors.Join(failed, err)
	}
	_, _ = fmt.Fprintf(out, "%-12s %.1f MB\n", "database", float64(size)/1e6)
	if err := errors.Join(failed, l.Check(ctx)); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%-12s every answer, every object and every event is as it must be\n", "checked")
	return nil
}
