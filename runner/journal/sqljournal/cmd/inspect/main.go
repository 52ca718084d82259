// Inspect shows the sessions of a journal in a browser: of a directory of journal.Dir, of an
// SQLite file, or of a PostgreSQL database.
//
//	go run github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/cmd/inspect desk.db
//	go run github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/cmd/inspect sessions/
//	go run github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/cmd/inspect 'postgres://ann@db/desk?sslmode=require&connect_timeout=5'
//
// These commands work in a clone of the repository, and in a module that requires
// github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal. A URL with & needs quotes,
// because a shell ends the command there.
//
// The program only reads, and prints the address of the pages: on loopback, on a free port,
// below a random path, because other users of the machine can reach the port. With -answer,
// the reader of the pages answers questions, too, by the queue of the database (package
// queue).
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/inspect"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/queue"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		_, _ = fmt.Fprintln(os.Stderr, "inspect:", err)
		os.Exit(1)
	}
}

const usage = `Usage: inspect [flags] place

place is a directory with the files of journal.Dir, an SQLite file, or the URL of a
PostgreSQL database (postgres://…). A URL with & needs quotes.

Examples:
  inspect sessions/
  inspect -answer ann desk.db
  inspect 'postgres://ann@db/desk?sslmode=require&connect_timeout=5'

Flags:
`

// run serves the pages until the context ends.
func run(ctx context.Context, args []string, out, problems io.Writer) error {
	flags := flag.NewFlagSet("inspect", flag.ContinueOnError)
	flags.SetOutput(problems)
	flags.Usage = func() { _, _ = io.WriteString(problems, usage); flags.PrintDefaults() }
	address := flags.String("addr", "127.0.0.1:0", "listen on this `address`; everybody who reaches it and knows the path reads the sessions")
	name := flags.String("answer", "", "answer questions by the queue of the database, as the person with this `name`")
	tables := flags.String("tables", "", "the `prefix` of the tables (default toolloop_)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		flags.Usage()
		return errors.New("name one place")
	}
	p, err := open(ctx, flags.Arg(0), *tables, *name != "")
	if err != nil {
		return err
	}
	defer p.close()
	h := &inspect.Handler{Reader: p.reader}
	if p.queue != nil {
		h.Visitor = func(*http.Request) inspect.Visitor { return inspect.Visitor{Name: *name, Answers: true} }
		h.Answer = answerBy(p.queue)
	}
	return serve(ctx, *address, h, out)
}

// answerBy puts answers into a queue, whose workers go on with the sessions.
func answerBy(q *queue.Queue) func(context.Context, string, runner.Input) error {
	return func(ctx context.Context, session string, in runner.Input) error {
		added, err := q.Put(ctx, nil, queue.Job{Session: session}, in)
		if err == nil && added == 0 {
			return inspect.ErrAnswered
		}
		return err
	}
}

// serve serves a handler below a secret path.
func serve(ctx context.Context, address string, h http.Handler, out io.Writer) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	path := "/" + rand.Text() + "/"
	mux := http.NewServeMux()
	mux.Handle(path+"{$}", h)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	stopped := make(chan struct{})
	end := context.AfterFunc(ctx, func() {
		defer close(stopped)
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if server.Shutdown(last) != nil {
			_ = server.Close()
		}
	})
	if _, err := fmt.Fprintf(out, "http://%s%s\n", l.Addr(), path); err != nil {
		return errors.Join(err, l.Close())
	}
	err = server.Serve(l)
	if !end() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
