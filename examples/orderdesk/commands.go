package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/queue"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

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

// goesOn says who acts upon what was changed in the queue.
func (o *office) goesOn() {
	o.Note("A worker goes on with it. If none is at work: %s", o.invocation(""))
}

// call is how a call that waits is printed.
func call(p runner.Pending) string {
	text := fmt.Sprintf("[%s] %s %s", p.Call, p.ToolCall.Name, cli.OneLine(p.ToolCall.Arguments))
	if p.InDoubt {
		text += " (it was interrupted, and nobody knows whether it took effect; to approve is to run it again)"
	}
	return text
}

// retry tries requests that failed again.
func (o *office) retry(ctx context.Context, args []string) error {
	for _, arg := range args {
		id, err := number(arg)
		if err != nil {
			return err
		}
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

// invocation is what to type for a command.
func (o *office) invocation(format string, args ...any) string {
	words := []string{quoted(os.Args[0])}
	if strings.Contains(os.Args[0], "go-build") { // go run made it
		words[0] = "go run ./examples/orderdesk"
	}
	if where := o.chosen(); where != "" {
		words = append(words, "-db "+quoted(where))
	}
	if format != "" {
		words = append(words, fmt.Sprintf(format, args...))
	}
	return strings.Join(words, " ")
}

// quoted is a word as a shell reads it.
func quoted(word string) string {
	if strings.ContainsAny(word, " '\"\\$&;?*()<>|`") {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}
