// Review is a writer and a reviewer in plain Go: the writer writes until the reviewer has no
// wish, or until the last round. Each agent keeps its own conversation.
// Without a key, a script answers.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/runner"
)

func main() {
	app := cli.Bare()
	app.Own = true
	rounds := flag.Int("rounds", 4, "the most drafts that the writer may write")
	app.Main("review [flags] [subject]", func(app *cli.App) error {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		writer, reviewer := app.Provider.Model(app.Model), app.Provider.Model(app.Model)
		if app.Embedded {
			writer, reviewer = scripted(drafts), scripted(reviews)
			app.Notice("OPENAI_API_KEY is not set: a script answers.")
		}
		subject := strings.Join(app.Args, " ")
		if subject == "" {
			subject = "a shop for tea from Assam"
		}
		p := press{Out: app.Out, writer: newWriter(writer), reviewer: newReviewer(reviewer)}
		text, err := p.write(ctx, subject, *rounds)
		if err != nil {
			return err
		}
		p.Text("The reviewer is content:\n" + text + "\n")
		return nil
	})
}

// A review is the typed answer of the reviewer.
type review struct {
	Wish string `json:"wish" jsonschema_description:"One thing that must change. Empty if the text is good."`
}

func newWriter(m llm.Model) *agent.Agent {
	return &agent.Agent{Name: "writer", Model: m, Instructions: "You write one line of an advertisement. Answer with the line only."}
}

func newReviewer(m llm.Model) *agent.Agent {
	return &agent.Agent{
		Name: "reviewer", Model: m, Output: agent.OutputOf[review](),
		Instructions: "You review a line of an advertisement: it names the place, and has at most twelve words.",
	}
}

// A press has the two agents.
type press struct {
	*cli.Out         // embedded: the output of the program
	writer, reviewer *agent.Agent
}

var errNotContent = errors.New("the reviewer is not content with the last draft")

// write returns the first draft without a wish. Sessions keep both conversations, so the
// writer knows its earlier drafts, and the reviewer its earlier wishes.
func (p *press) write(ctx context.Context, subject string, rounds int) (string, error) {
	r := runner.Runner{}
	writing, reviewing := r.Session("writer"), r.Session("reviewer")
	task := "Write about " + subject + "."
	for round := range rounds {
		draft, err := writing.Run(ctx, p.writer, runner.Say(llm.User(task)))
		if err != nil {
			return "", err
		}
		p.Text(fmt.Sprintf("%d  %s\n", round+1, cli.OneLine(draft.Text)))
		reviewed, err := reviewing.Run(ctx, p.reviewer, runner.Say(llm.User("Review: "+draft.Text)))
		if err != nil {
			return "", err
		}
		verdict, err := runner.Output[review](reviewed)
		if err != nil || verdict.Wish == "" {
			return draft.Text, err
		}
		p.Note("   %s", verdict.Wish)
		task = verdict.Wish
	}
	return "", errNotContent
}

var (
	drafts = []llmtest.Step{
		llmtest.Text("The best tea in the world, picked by hand, dried in the sun, and sent to your door within a day."),
		llmtest.Text("The best tea of Assam, picked by hand, dried in the sun, and sent to your door."),
		llmtest.Text("Assam in a cup: picked by hand, at your door tomorrow."),
	}
	reviews = []llmtest.Step{
		llmtest.Text(`{"wish":"Say where the tea is from."}`), llmtest.Text(`{"wish":"Use at most twelve words."}`), llmtest.Text(`{"wish":""}`),
	}
)

// scripted returns a script in place of a model, behind the client for real providers.
func scripted(steps []llmtest.Step) llm.Model {
	return openai.Config{HTTPClient: llmtest.NewScript(steps...).Client(), Key: "none"}.Model("script")
}
