// Team is a shop with four agents. Triage hands each customer over to billing or shipping.
// Billing has a helper, the cashier, whose refunds a person must approve. A check keeps the
// numbers of cards out of the answers.
// The agents are in agents.go. Without a key, script.go answers.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// customers are the conversations, with a session for each.
var customers = []struct {
	name string
	says []string
}{
	{"Ada", []string{"Where is my parcel W1001?", "Thank you. And W1002?"}},
	{"Bob", []string{"I was billed twice for W2002. I want my money back."}},
	{"Eve", []string{"With which card did I pay W3003?"}},
}

func main() {
	app := cli.Bare()
	app.Own = true
	deny := flag.String("deny", "", "a reason to refuse refunds (default: they are approved)")
	app.Main("team [flags]", func(app *cli.App) error {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		model := app.Provider.Model(app.Model)
		if app.Embedded {
			model = scripted()
			app.Notice("OPENAI_API_KEY is not set: a script answers.")
		}
		s := shop{Out: app.Out, triage: team(model), deny: *deny}
		return s.open(ctx)
	})
}

// A shop serves its customers.
type shop struct {
	*cli.Out // embedded: the output of the program
	triage   *agent.Agent
	deny     string
}

func (s *shop) open(ctx context.Context) error {
	r := runner.Runner{Decide: s.decide}
	for _, c := range customers {
		session := r.Session(c.name)
		for _, text := range c.says {
			s.Text(fmt.Sprintf("%s: %s\n", c.name, text))
			result, err := session.Run(ctx, s.triage, runner.Say(llm.User(text)))
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			s.steps(result.Events)
			s.Text(fmt.Sprintf("%s: %s\n", result.Agent, cli.OneLine(result.Text)))
		}
	}
	return nil
}

// decide is the person at the cash desk. With a journal on a disk, a call can also be in doubt
// after a crash, and then needs another answer than these (see examples/approve).
func (s *shop) decide(_ context.Context, p runner.Pending) (runner.Input, error) {
	if s.deny != "" {
		return p.Deny(s.deny), nil
	}
	return p.Approve(), nil
}

// steps shows who did what.
func (s *shop) steps(events []event.Event) {
	for _, e := range events {
		switch b := e.Body.(type) {
		case event.HandedOff:
			s.Note("   %s hands over to %s", b.From, b.To)
		case event.ToolCallStarted:
			s.Note("   %s %s [%s]", b.Name, b.Arguments, b.Call)
		case event.ApprovalDecided:
			s.Note("   %s [%s]", map[bool]string{true: "approved", false: "denied"}[b.Approved], b.Call)
		case event.Checked:
			if b.Verdict != "pass" {
				s.Note("   the check %q says %s", b.Check, b.Verdict)
			}
		}
	}
}
