package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// An Answer is the model's answer about a text: an invoice, or the reason why the text is
// not an invoice.
type Answer struct {
	Invoice *Invoice `json:"invoice,omitempty"`
	Problem string   `json:"problem,omitempty" jsonschema_description:"Why the text is no complete invoice, in a few words"`
}

type Invoice struct {
	Supplier   string `json:"supplier"`
	Number     string `json:"number"`
	Lines      []Line `json:"lines" jsonschema:"minItems=1"`
	TotalCents int    `json:"total_cents" jsonschema_description:"The total as printed, not your own sum"`
}

type Line struct {
	Text  string `json:"text"`
	Cents int    `json:"cents"`
}

const instructions = `You read invoices. Copy names and amounts exactly, and all lines, with discounts as negative amounts.
If the text is not an invoice, or has no total, answer with a problem instead of an invoice.`

// reader returns an agent whose answers are an Answer that check accepts.
func reader(model llm.Model) *agent.Agent {
	return &agent.Agent{Name: "reader", Instructions: instructions, Model: model, Output: agent.OutputOf(check)}
}

// check is for rules that a schema cannot express. The model reads the error and
// corrects its answer.
func check(_ context.Context, a Answer) error {
	if (a.Invoice == nil) == (a.Problem == "") {
		return errors.New("give either an invoice or a problem")
	}
	sum := 0
	if a.Invoice != nil {
		for _, line := range a.Invoice.Lines {
			sum += line.Cents
		}
	}
	if a.Invoice != nil && sum != a.Invoice.TotalCents {
		return fmt.Errorf("the lines add up to %s, but the total is %s", euros(sum), euros(a.Invoice.TotalCents))
	}
	return nil
}

func euros(cents int) string { return fmt.Sprintf("%.2f", float64(cents)/100) }

// A Reading is the outcome of one text.
type Reading struct {
	Invoice *Invoice
	Problem string // why there is no Invoice
	Refused int    // answers that went back to the model
	Err     error  // the model could not be asked; nothing is known about the text
}

// readAll reads the texts, some of them at the same time, and returns the readings in the
// order of the texts.
func readAll(ctx context.Context, a *agent.Agent, texts []string, parallel int) []Reading {
	readings := make([]Reading, len(texts))
	slots := make(chan struct{}, max(parallel, 1))
	var group sync.WaitGroup
	for i, text := range texts {
		slots <- struct{}{}
		group.Go(func() {
			readings[i] = read(ctx, a, text)
			<-slots
		})
	}
	group.Wait()
	return readings
}

func read(ctx context.Context, a *agent.Agent, text string) (r Reading) {
	result, err := runner.Run(ctx, a, llm.User(text))
	for _, e := range result.Events {
		if _, ok := e.Body.(event.OutputRejected); ok {
			r.Refused++
		}
	}
	if wrong, ok := errors.AsType[*runner.OutputError](err); ok {
		r.Problem, _, _ = strings.Cut(wrong.Problem, "\n") // more lines are for the model
		return r
	}
	answer, none := runner.Output[Answer](result)
	r.Invoice, r.Problem, r.Err = answer.Invoice, answer.Problem, cmp.Or(err, none)
	return r
}
