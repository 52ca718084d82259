// Invoices pays a file of invoices. Each invoice is a session; four workers answer them at
// once, in any number of processes. A policy approves payments up to 500 euros within a daily
// budget; every other payment waits for a second command, approve or deny. Each payment then
// waits for a third command, bank, which stands for the bank that confirms transfers. All data is in one SQLite file, so a start continues
// where the last one ended or was killed.
//
// The tools are in tools.go. Without a key, script.go answers.
package main

import (
	"context"
	_ "embed"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/queue"
)

//go:embed invoices.csv
var invoices string

func main() {
	app := cli.Bare()
	app.Own = true
	db := flag.String("db", "invoices.db", "the SQLite `file` of the job")
	tokens := flag.Int64("tokens", 200_000, "what the models may use in this start; the rest of the invoices waits for the next start")
	daily := flag.Int("daily", 1000, "what the policy may approve in a day, in euros")
	by := flag.String("by", os.Getenv("USER"), "the `name` of the person who decides")
	app.Main("invoices [flags] [list | approve number | deny number reason | bank]", func(app *cli.App) error {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		store, err := sqljournal.OpenSQLite(ctx, *db)
		if err != nil {
			return err
		}
		defer func() { _ = store.Close() }()
		q, err := queue.Open(ctx, store)
		if err != nil {
			return err
		}
		return (&job{App: app, store: store, queue: q, tokens: *tokens, daily: *daily * 100, by: *by}).run(ctx)
	})
}

// A job is one start of the program.
type job struct {
	*cli.App // embedded: the flags and the output of the program
	store    *sqljournal.Journal
	queue    *queue.Queue
	tokens   int64
	daily    int        // in cents
	by       string     // who decides
	mu       sync.Mutex // guards the output: workers print at the same time
}

func (j *job) run(ctx context.Context) error {
	switch {
	case len(j.Args) == 0:
		return j.work(ctx)
	case j.Args[0] == "list" && len(j.Args) == 1:
		return j.list(ctx)
	case j.Args[0] == "approve" && len(j.Args) == 2:
		return j.decide(ctx, j.Args[1], runner.Pending.Approve)
	case j.Args[0] == "deny" && len(j.Args) > 2:
		reason := strings.Join(j.Args[2:], " ")
		return j.decide(ctx, j.Args[1], func(p runner.Pending) runner.Input { return p.Deny(reason) })
	case j.Args[0] == "bank" && len(j.Args) == 1:
		return j.confirm(ctx)
	}
	return &cli.UsageError{Err: fmt.Errorf("unexpected command %q; -h prints the usage", strings.Join(j.Args, " "))}
}

// work puts all invoices into the queue and works it off.
func (j *job) work(ctx context.Context) error {
	rows, err := csv.NewReader(strings.NewReader(invoices)).ReadAll()
	if err != nil {
		return err
	}
	for _, row := range rows[1:] {
		// The key says the message once, however often the program starts.
		text := fmt.Sprintf("Invoice %s of %s for order %s, %s cents.", row[0], row[1], row[2], row[3])
		_, err := j.queue.Put(ctx, nil, queue.Job{Session: "invoice-" + row[0], Tenant: row[1]}, runner.Once("begin", llm.User(text)))
		if err != nil {
			return err
		}
	}
	b, err := openBooks(ctx, j.store.DB)
	if err != nil {
		return err
	}
	model := j.Provider.Model(j.Model)
	if j.Embedded {
		model = scripted()
	}
	err = queue.Workers{
		Queue: j.queue, Agent: clerk(model, b), Count: 4, UntilEmpty: true,
		Runner:  runner.Runner{Budget: &runner.Budget{Tokens: j.tokens}, NoStream: true, Decide: b.policy(j.daily)},
		Retry:   retry,
		Event:   j.event,
		Changed: j.tell,
	}.Run(ctx)
	if ctx.Err() != nil {
		j.Notice("stopped; the next start continues")
		return nil
	}
	return err
}

// retry is the default of the queue, but the budget comes back only with the next start,
// which puts each invoice again.
func retry(job queue.Job, err error) time.Duration {
	if limit, ok := errors.AsType[*runner.LimitError](err); ok && limit.Limit == "budget" {
		return -1
	}
	return queue.Backoff(job, err)
}

// event prints an event of interest.
func (j *job) event(job queue.Job, e event.Event) {
	if line := e.Line(); line != "" {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.Note("%s  %s", job.Session, line)
	}
}

// tell prints how to decide about an invoice that is paused.
func (j *job) tell(job queue.Job, _ error) {
	if job.State != queue.Paused && job.State != queue.Late {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	number := strings.TrimPrefix(job.Session, "invoice-")
	for _, p := range job.Pending {
		if p.Late {
			j.Notice("%s waits for the bank: %s", job.Session, p.Handle)
			continue
		}
		j.Notice("%s waits: %s %s. To decide: approve %s, or: deny %s \"the reason\"", job.Session, p.ToolCall.Name, p.ToolCall.Arguments, number, number)
	}
}

// list prints the state of each invoice. Workers may be at work.
func (j *job) list(ctx context.Context) error {
	for job, err := range j.queue.Jobs(ctx, "") {
		if err != nil {
			return err
		}
		j.Text(fmt.Sprintf("%-12s %-9s %s\n", job.Session, job.State, cli.OneLine(job.Note)))
	}
	return nil
}

// decide gives the same decision on all calls of an invoice that wait for approval. A worker of any
// process then continues the invoice.
func (j *job) decide(ctx context.Context, number string, decision func(runner.Pending) runner.Input) error {
	job, err := j.queue.Get(ctx, nil, "invoice-"+number)
	if err != nil {
		return err
	}
	var in []runner.Input
	for _, p := range job.Pending {
		if !p.Late {
			in = append(in, runner.By(j.by, decision(p)))
		}
	}
	if job.State != queue.Paused || len(in) == 0 {
		return fmt.Errorf("invoice %s is %s: there is nothing to decide", number, job.State)
	}
	added, err := j.queue.Put(ctx, nil, queue.Job{Session: job.Session}, in...)
	if err == nil && added == 0 {
		err = fmt.Errorf("somebody has decided about invoice %s already", number)
	}
	return err
}

// confirm stands for the webhook of the bank, which knows the key of each call. The books and
// the results for the queue are one transaction.
func (j *job) confirm(ctx context.Context) error {
	b, err := openBooks(ctx, j.store.DB)
	if err != nil {
		return err
	}
	tx, err := j.store.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	transfers, err := b.confirm(ctx, tx)
	if err != nil {
		return err
	}
	for _, t := range transfers {
		job := queue.Job{Session: fmt.Sprint("invoice-", t.invoice)}
		if _, err := j.queue.Put(ctx, tx, job, runner.Pending{Key: t.key}.Result(llm.Text{Text: "paid: " + t.text})); err != nil {
			return err
		}
	}
	return tx.Commit()
}
