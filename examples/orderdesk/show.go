package main

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/inbox"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// list prints the requests.
func (o *office) list(ctx context.Context, _ []string) error {
	all, err := o.inbox.List(ctx)
	if err != nil {
		return err
	}
	const before = 24 // the characters of the columns before the text
	o.Text(fmt.Sprintf("%4s  %-8s %6s  %s\n", "ID", "STATE", "TOKENS", "REQUEST"))
	for _, r := range all {
		o.Text(fmt.Sprintf("%4d  %-8s %6d  %s\n", r.ID, r.State, r.Tokens, brief(cli.OneLine(r.Text), width()-before)))
	}
	return nil
}

// show prints print a request and its conversation.
func (o *office) show(ctx context.Context, args []string) error {
	id, err := number(args[0])
	if err != nil {
		return err
	}
	r, err := o.inbox.Get(ctx, id)
	if err != nil {
		return err
	}
	events, unread := o.inbox.Events(ctx, r)
	o.Text(fmt.Sprintf("Request %d %s, after %d tokens.\n\n", r.ID, r.State.Phrase(), r.Tokens))
	if len(events) == 0 {
		o.noted("> %s", r.Text)
	}
	for _, e := range events {
		o.event(e)
	}
	if unread != nil {
		return unread
	}
	if r.State == inbox.Decided {
		return o.tellDecided(ctx, r)
	}
	return o.tellOpen(ctx, []inbox.Request{r})
}

// tellDecided prints the decisions, and how the request continues.
func (o *office) tellDecided(ctx context.Context, r inbox.Request) error {
	all, err := o.inbox.Decisions(ctx, r)
	if err != nil {
		return err
	}
	for _, d := range all {
		o.Note("[%s] %s already", d.Call, decisionText(d.Approved, d.Reason))
	}
	o.goesOn()
	return nil
}

// event prints an event of a conversation.
func (o *office) event(e event.Event) {
	switch b := e.Body.(type) {
	case event.ModelAnswered:
		o.Answer(b.Message.Text())
	case event.RunFailed:
		o.noted("stopped: %s", b.Error)
	case event.RunFinished, event.RunPaused: // show prints the tokens and the state of the request at the top
	case event.OutputRejected: // the next answer is printed
	default:
		if line := e.Line(); line != "" {
			o.noted("%s", line)
		}
	}
}

func decisionText(approved bool, reason string) string {
	switch {
	case approved:
		return "approved"
	case reason == "":
		return "denied"
	}
	return fmt.Sprintf("denied (%s)", reason)
}
