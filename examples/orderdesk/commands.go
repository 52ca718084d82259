package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/queue"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// command returns what is to be done, and with what. Flags may stand behind the
// name of the command, too.
func (o *office) command() (func(context.Context, []string) error, []string, error) {
	name, args := "work", o.Args
	if len(args) > 0 {
		name = args[0]
		_ = flag.CommandLine.Parse(args[1:]) // or it exits
		args = flag.Args()
	}
	const many = math.MaxInt
	c, known := map[string]struct {
		do       func(context.Context, []string) error
		min, max int // arguments
	}{
		"work":    {o.work, 0, 0},
		"list":    {o.list, 0, 0},
		"show":    {o.show, 1, 1},
		"add":     {o.add, 1, many},
		"approve": {o.approve, 1, 2},
		"deny":    {o.deny, 1, many},
		"retry":   {o.retry, 0, many},
	}[name]
	switch {
	case !known:
		return nil, nil, fmt.Errorf("there is no command %q", name)
	case len(args) < c.min || len(args) > c.max:
		return nil, nil, fmt.Errorf("%s: wrong number of arguments", name)
	}
	return c.do, args, nil
}

// list prints the requests.
func (o *office) list(ctx context.Context, _ []string) error {
	all, err := o.queue.List(ctx)
	if err != nil {
		return err
	}
	for _, r := range all {
		o.Text(fmt.Sprintf("%4d  %-8s %6d  %s\n", r.ID, r.State, r.Tokens, brief(cli.OneLine(r.Text), 70)))
	}
	return nil
}

// brief cuts a text that is longer than n characters.
func brief(text string, n int) string {
	if runes := []rune(text); len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return text
}

// add puts requests into the queue.
func (o *office) add(ctx context.Context, args []string) error {
	texts := []string{strings.Join(args, " ")}
	if texts[0] == "-" {
		var err error
		if texts, err = lines(os.Stdin); err != nil {
			return err
		}
	}
	ids, err := o.queue.Add(ctx, texts...)
	if err != nil {
		return err
	}
	for i, id := range ids {
		o.Text(fmt.Sprintf("%4d  %s\n", id, cli.OneLine(texts[i])))
	}
	return nil
}

// lines returns the lines of a file that are not empty.
func lines(f *os.File) (texts []string, err error) {
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		if text := strings.TrimSpace(in.Text()); text != "" {
			texts = append(texts, text)
		}
	}
	return texts, in.Err()
}

// approve lets calls run.
func (o *office) approve(ctx context.Context, args []string) error {
	d := queue.Decision{Approved: true}
	if len(args) > 1 {
		d.Call = event.CallRef(args[1])
	}
	return o.decide(ctx, args[0], d, "approved")
}

// deny keeps calls from running.
func (o *office) deny(ctx context.Context, args []string) error {
	return o.decide(ctx, args[0], queue.Decision{Reason: strings.Join(args[1:], " ")}, "denied")
}

func (o *office) decide(ctx context.Context, request string, d queue.Decision, word string) error {
	id, err := number(request)
	if err != nil {
		return err
	}
	decided, err := o.queue.Decide(ctx, id, d)
	if err != nil {
		return err
	}
	for _, p := range decided {
		o.Text(fmt.Sprintf("%s: %s\n", word, call(p)))
	}
	o.goesOn()
	return nil
}

// retry tries requests that failed again: those named, or all.
func (o *office) retry(ctx context.Context, args []string) error {
	var ids []int64
	for _, arg := range args {
		id, err := number(arg)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	if len(args) == 0 {
		all, err := o.queue.List(ctx)
		if err != nil {
			return err
		}
		for _, r := range in(queue.Failed, all) {
			ids = append(ids, r.ID)
		}
	}
	for _, id := range ids {
		if err := o.queue.Retry(ctx, id); err != nil {
			return err
		}
		o.Text(fmt.Sprintf("request %d waits for a worker\n", id))
	}
	o.goesOn()
	return nil
}

func number(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no number of a request", text)
	}
	return id, nil
}
