package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/inbox"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// tellEnd prints the state of the queue, and the commands to continue.
func (o *office) tellEnd(ctx context.Context) error {
	totals, err := o.inbox.Totals(ctx)
	if err != nil {
		return err
	}
	all, err := o.inbox.List(ctx)
	if err != nil {
		return err
	}
	if err := o.tellOpen(ctx, all); err != nil {
		return err
	}
	o.Text(fmt.Sprintf("\n%d done, %d paused, %d failed", totals.Done, totals.Paused, totals.Failed))
	if n := totals.Waiting + totals.Running; n > 0 {
		o.Text(fmt.Sprintf(", %d left. To go on with them:\n  %s\n", n, o.invocation("")))
		return nil
	}
	o.Text(".\n")
	return nil
}

// maxTold limits the requests of each state in the output at the end.
const maxTold = 10

// tellOpen prints the requests that are paused or failed, with the commands for
// them.
func (o *office) tellOpen(ctx context.Context, all []inbox.Request) error {
	paused, failed := in(inbox.Paused, all), in(inbox.Failed, all)
	for _, r := range paused[:min(len(paused), maxTold)] {
		if err := o.tellPaused(ctx, r); err != nil {
			return err
		}
	}
	o.tellMore(len(paused))
	o.tellFailed(failed)
	return nil
}

// in returns the requests in a state.
func in(state inbox.State, all []inbox.Request) (some []inbox.Request) {
	for _, r := range all {
		if r.State == state {
			some = append(some, r)
		}
	}
	return some
}

func (o *office) tellMore(n int) {
	if n > maxTold {
		o.Text(fmt.Sprintf("\nAnd %d more: %s\n", n-maxTold, o.invocation("list")))
	}
}

// tellFailed prints the errors of failed requests.
func (o *office) tellFailed(failed []inbox.Request) {
	if len(failed) == 0 {
		return
	}
	o.Text("\n")
	for _, r := range failed[:min(len(failed), maxTold)] {
		o.wrapped("Request %d failed: %s", r.ID, cli.OneLine(r.Note))
	}
	o.tellMore(len(failed))
	if len(failed) == 1 {
		o.Text(fmt.Sprintf("  %s\n", o.invocation("retry %d", failed[0].ID)))
		return
	}
	o.Text(fmt.Sprintf("  %s   (all of them; or only some: retry %d)\n", o.invocation("retry"), failed[0].ID))
}

// tellPaused prints the calls of a request that wait for a decision.
func (o *office) tellPaused(ctx context.Context, r inbox.Request) error {
	o.Text("\n")
	o.wrapped("Request %d is paused: %s", r.ID, brief(cli.OneLine(r.Text), 200))
	for _, p := range r.Pending {
		money, err := o.desk.Amount(ctx, p.ToolCall)
		if err != nil {
			return err
		}
		o.wrapped("  %s  %s", money, call(p))
	}
	approve, deny := o.answers(r)
	o.Text("  " + approve + "\n  " + deny + "\n")
	return nil
}

// answers returns the commands that approve and deny.
func (o *office) answers(r inbox.Request) (approve, deny string) {
	return o.invocation("approve %d", r.ID), o.invocation(`deny %d "the reason"`, r.ID)
}

// note prints a dim line, wrapped to the width of the terminal.
func (o *office) note(format string, args ...any) { o.dim("", format, args...) }

// noted is note with an indented continuation, for events of a conversation.
func (o *office) noted(format string, args ...any) { o.dim("    ", format, args...) }

func (o *office) dim(indent, format string, args ...any) {
	for line := range strings.SplitSeq(wrap(cli.OneLine(fmt.Sprintf(format, args...)), width(), indent), "\n") {
		o.Note("%s", line)
	}
}

// wrapped prints a line, wrapped between words to the width of the terminal.
func (o *office) wrapped(format string, args ...any) {
	o.Text(wrap(fmt.Sprintf(format, args...), width(), "    ") + "\n")
}

// call describes a call that waits.
func call(p runner.Pending) string {
	text := fmt.Sprintf("[%s] %s %s", p.Call, p.ToolCall.Name, cli.OneLine(p.ToolCall.Arguments))
	if p.InDoubt {
		text += " (it was interrupted, and its effect is unknown; to approve is to run it again)"
	}
	return text
}

// goesOn says how a request continues after a change in the queue.
func (o *office) goesOn() {
	o.note("A worker goes on with it. If none is at work:")
	o.Text("  " + o.invocation("") + "\n")
}
