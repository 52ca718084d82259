// Long is a run of 200 turns in a context of 8,000 tokens. An agent counts the stock of 199
// shelves, one in each turn, and the history is compacted whenever the next request would
// exceed 6,000 tokens. In the middle the agent corrects a shelf, which needs an
// approval; the approved call stays in the history to the end.
// The agent is in stock.go. A script answers, and refuses requests that are too long.
package main

import (
	"context"
	"flag"
	"os"
	"os/signal"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/compact"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

func main() {
	app := cli.Bare()
	app.Own = true
	summary := flag.Bool("summary", false, "summarize old turns; otherwise old results and turns are removed")
	app.Main("long [flags]", func(app *cli.App) error {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		model := app.Provider.Model(app.Model)
		if app.Embedded {
			model = scripted()
			app.Notice("OPENAI_API_KEY is not set: a script answers.")
		}
		policy := &compact.Policy{Tokens: 6000}
		if *summary {
			policy.Strategy = compact.Each(compact.Summarize(nil, 3), compact.Default())
		}
		r := runner.Runner{MaxTurns: 250, Compact: policy, Decide: approve}
		return count(ctx, app, r, model)
	})
}

// approve stands for a person.
func approve(_ context.Context, p runner.Pending) (runner.Input, error) { return p.Approve(), nil }

func count(ctx context.Context, app *cli.App, r runner.Runner, model llm.Model) error {
	compactions, largest := 0, int64(0)
	for e, err := range r.Session("stock").Stream(ctx, clerk(model), runner.Say(llm.User(task))) {
		if err != nil {
			return err
		}
		switch b := e.Body.(type) {
		case event.Compacted:
			compactions++
			if compactions <= 3 {
				app.Note("turn %d: %s", b.Turn, e.Line())
			}
		case event.ApprovalDecided:
			app.Note("%s", e.Line())
		case event.ModelAnswered:
			largest = max(largest, b.Usage.InputTokens)
		case event.RunFinished:
			app.Note("%d turns, %d compactions, the largest request had %d tokens", b.Turns, compactions, largest)
		case event.TextDelta:
			app.Text(b.Text)
		}
	}
	return nil
}
