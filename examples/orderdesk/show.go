package main

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/queue"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// show prints a request and its conversation.
func (o *office) show(ctx context.Context, args []string) error {
	id, err := number(args[0])
	if err != nil {
		return err
	}
	r, err := o.queue.Get(ctx, id)
	if err != nil {
		return err
	}
	events, err := o.queue.Events(ctx, r)
	if err != nil {
		return err
	}
	o.Text(fmt.Sprintf("Request %d is %s, after %d tokens.\n\n", r.ID, r.State, r.Tokens))
	if len(events) == 0 {
		o.Note("> %s", r.Text)
	}
	for _, e := range events {
		o.event(e)
	}
	return o.tellOpen(ctx, []queue.Request{r})
}

// event prints a part of a conversation.
func (o *office) event(e event.Event) {
	switch b := e.Body.(type) {
	case event.UserMessaged:
		o.Note("> %s", b.Message.Text())
	case event.ModelAnswered:
		o.Answer(b.Message.Text())
	case event.ToolCallStarted:
		o.Note("[%s] %s %s", b.Call, b.Name, b.Arguments)
	case event.ToolCallFinished:
		o.Note("[%s] %s", b.Call, cli.Outcome(b))
	case event.ApprovalAsked:
		o.Note("[%s] %s %s needs approval", b.Call, b.Name, b.Arguments)
	case event.ApprovalDecided:
		o.Note("[%s] %s", b.Call, verdict(b))
	case event.InDoubtDecided:
		o.Note("[%s] was interrupted; decided by %s: %s", b.Call, b.By, b.Decision)
	case event.RunFailed:
		o.Note("stopped: %s", b.Error)
	}
}

func verdict(b event.ApprovalDecided) string {
	switch {
	case b.Approved:
		return "approved"
	case b.Reason == "":
		return "denied"
	}
	return "denied: " + b.Reason
}
