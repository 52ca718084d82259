// Approve is an order desk that refunds up to 100 euros without approval. For a
// larger amount the session pauses and the program ends. A second start continues
// with your decision, tomorrow or on another terminal.
//
// The tool and the agent are in assistant.go, which you can copy. This file has the
// commands, the flags and the output of the examples.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

const (
	usage    = "approve [flags] [approve | always | deny reason | edit arguments | revoke | show | message]"
	question = "Refund 30.00 for order W1001 and 250.00 for order W2002."
)

func main() {
	app := cli.New()
	d := &desk{App: app}
	flag.StringVar(&d.dir, "dir", "", "directory of the sessions and receipts (default in the user's cache)")
	flag.StringVar(&d.name, "session", "desk", "name of the session")
	flag.StringVar(&d.by, "by", "", "your `name`, for the record")
	flag.BoolVar(&d.stream, "stream", true, "stream the answers")
	app.Main(usage, func(*cli.App) error { return d.run() })
}

// A desk is a start of the program.
type desk struct {
	*cli.App  // embedded: the flags and the output of the program
	dir, name string
	by        string // who decides
	stream    bool
	journal   journal.Dir
	session   *runner.Session
}

func (d *desk) run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if d.dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("%w; say -dir", err)
		}
		d.dir = filepath.Join(cache, "toolloop-approve")
	}
	d.journal.Path = filepath.Join(d.dir, "sessions")
	d.session = runner.Runner{Journal: d.journal, NoStream: !d.stream}.Session(d.name)
	if len(d.Args) == 1 && d.Args[0] == "show" {
		return d.show(ctx)
	}
	in, err := d.input(ctx)
	if err != nil {
		return err
	}
	return d.goOn(ctx, in...)
}

// input returns the input of the run: a decision about a call that waits, a message,
// or nothing. Without input the session continues an unfinished run.
func (d *desk) input(ctx context.Context) ([]runner.Input, error) {
	switch command := strings.Join(d.Args[:min(1, len(d.Args))], ""); command {
	case "approve", "always", "deny", "edit":
		in, err := d.decision(ctx, command, strings.Join(d.Args[1:], " "))
		return []runner.Input{runner.By(d.by, in)}, err
	case "revoke":
		return d.revocations(ctx)
	}
	said, err := d.session.Messages(ctx)
	if err != nil {
		return nil, err
	}
	message := strings.Join(d.Args, " ")
	if message == "" && !ended(said) {
		return nil, nil
	}
	return []runner.Input{runner.Say(llm.User(cmp.Or(message, question)))}, nil
}

// ended reports whether the conversation waits for a message of the user.
func ended(said []llm.Message) bool {
	if len(said) == 0 {
		return true
	}
	last := said[len(said)-1]
	return last.Role == llm.RoleAssistant && len(last.Calls()) == 0
}

// decision returns the decision about the first call that waits.
func (d *desk) decision(ctx context.Context, command, text string) (runner.Input, error) {
	waiting, err := d.session.Pending(ctx)
	switch {
	case err != nil:
		return nil, err
	case len(waiting) == 0:
		return nil, fmt.Errorf("no call of session %q waits for a decision", d.name)
	}
	p := waiting[0]
	switch {
	case p.InDoubt && (command == "approve" || command == "always"):
		return p.RunAgain(), nil
	case p.InDoubt && command == "deny":
		return p.Unknown(), nil
	case command == "approve":
		return p.Approve(), nil
	case command == "always":
		return p.ApproveAlways(event.EveryCall), nil
	case command == "deny":
		return p.Deny(text), nil
	}
	return p.Edit(json.RawMessage(text)), nil
}

// revocations end the answers that stand for later calls.
func (d *desk) revocations(ctx context.Context) (in []runner.Input, err error) {
	state, err := d.session.State(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range state.Standing {
		in = append(in, runner.By(d.by, a.Revoke()))
	}
	if len(in) == 0 {
		return nil, fmt.Errorf("no answer of session %q stands", d.name)
	}
	return in, nil
}

// goOn runs the session until the final answer or a pause, and prints the events.
func (d *desk) goOn(ctx context.Context, in ...runner.Input) error {
	a := assistant(d.Provider.Model(d.Model), bank{filepath.Join(d.dir, "receipts")})
	for e, err := range d.session.Stream(ctx, a, in...) {
		switch {
		case errors.Is(err, runner.ErrPaused):
			return d.tell(ctx)
		case err != nil:
			return err
		}
		d.PrintEvent(e)
	}
	return nil
}

// tell prints the waiting calls and the commands to decide.
func (d *desk) tell(ctx context.Context) error {
	waiting, err := d.session.Pending(ctx)
	if err != nil || len(waiting) == 0 || d.JSON {
		return err
	}
	d.EndLine()
	d.Text("\n")
	for _, p := range waiting {
		why := "waits for your approval"
		if p.InDoubt {
			why = "was interrupted, and its effect is unknown"
		}
		d.Text(fmt.Sprintf("%s %s\n  %s.\n", p.ToolCall.Name, cli.OneLine(p.ToolCall.Arguments), why))
	}
	d.Text("\n" + advice(waiting[0], cli.Again()))
	d.Note("Nothing is running. The session is in %s", d.dir)
	return nil
}

// advice returns the commands to decide about a call. again starts the program.
func advice(p runner.Pending, again string) string {
	if p.InDoubt {
		return "To run the call again:\n" +
			"  " + again + " approve\n" +
			"To tell the model that the outcome is unknown:\n" +
			"  " + again + " deny\n\n"
	}
	return "Decide with one of these commands:\n" +
		"  " + again + " approve\n" +
		"  " + again + " deny \"the order is too old\"\n" +
		"  " + again + " edit " + cli.Quote(smaller(p.ToolCall.Arguments)) + "\n" +
		"  " + again + " show\n\n"
}

// smaller returns an example of arguments without need for approval.
func smaller(arguments string) string {
	var in refundArgs
	_ = json.Unmarshal([]byte(arguments), &in) // the runner has validated the arguments
	in.Amount = limit
	data, _ := json.Marshal(in) // cannot fail for a string and a number
	return string(data)
}

// show prints the session so far, as the earlier starts printed it.
func (d *desk) show(ctx context.Context) error {
	log, err := d.journal.Open(ctx, d.name)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // for early returns; a second Close does nothing
	for e, err := range log.Events(ctx) {
		if err != nil {
			return err
		}
		d.PrintEvent(e)
	}
	if err := log.Close(); err != nil {
		return err
	}
	return d.tell(ctx)
}
