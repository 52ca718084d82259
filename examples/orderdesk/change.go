package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/inbox"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// add adds requests to the queue.
func (o *office) add(ctx context.Context, args []string) error {
	texts := []string{strings.Join(args, " ")}
	if texts[0] == "-" {
		var err error
		if texts, err = lines(os.Stdin); err != nil {
			return err
		}
	}
	if len(texts) == 0 {
		return errNoText
	}
	ids, err := o.inbox.Add(ctx, texts...)
	if err != nil {
		return err
	}
	for i, id := range ids {
		o.Text(fmt.Sprintf("%4d  %s\n", id, cli.OneLine(texts[i])))
	}
	return nil
}

var errNoText = errors.New("add: the text is missing")

// lines returns the non-empty lines of a file.
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

// isCall matches the name of a call.
var isCall = regexp.MustCompile(`^r\d+\.t\d+\.c\d+$`)

// isTypo matches a likely typo in the name of a call or of a flag, which the model
// would otherwise read as a reason.
var isTypo = regexp.MustCompile(`(?i)^[rtc]\d+\b|^--?[a-z]`)

// approve approves calls.
func (o *office) approve(ctx context.Context, args []string) error {
	d := inbox.Decision{Approved: true}
	if len(args) > 1 {
		if !isCall.MatchString(args[1]) {
			return fmt.Errorf("%q is not a call; the name of a call looks like r1.t3.c0", args[1])
		}
		d.Call = event.CallRef(args[1])
	}
	return o.decide(ctx, args[0], d, "approved")
}

// deny denies calls.
func (o *office) deny(ctx context.Context, args []string) error {
	var d inbox.Decision
	request, reason := args[0], args[1:]
	if len(reason) > 0 && isCall.MatchString(reason[0]) {
		d.Call, reason = event.CallRef(reason[0]), reason[1:]
	}
	if len(reason) > 0 && isTypo.MatchString(reason[0]) {
		return fmt.Errorf("%q is neither a call nor a reason; the name of a call looks like r1.t3.c0", reason[0])
	}
	d.Reason = strings.Join(reason, " ")
	return o.decide(ctx, request, d, "denied")
}

func (o *office) decide(ctx context.Context, request string, d inbox.Decision, word string) error {
	id, err := number(request)
	if err != nil {
		return err
	}
	decided, err := o.inbox.Decide(ctx, id, d)
	if err != nil {
		return err
	}
	for _, p := range decided {
		o.wrapped("%s: %s", word, call(p))
	}
	o.goesOn()
	return nil
}

// retry makes failed requests available again: the named requests, or all of them.
func (o *office) retry(ctx context.Context, args []string) error {
	ids, err := numbers(args)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		if ids, err = o.failed(ctx); err != nil {
			return err
		}
	}
	if err := o.inbox.Retry(ctx, ids...); err != nil {
		return err
	}
	for _, id := range ids {
		o.Text(fmt.Sprintf("request %d waits for a worker\n", id))
	}
	o.goesOn()
	return nil
}

func numbers(args []string) (ids []int64, err error) {
	for _, arg := range args {
		id, err := number(arg)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// failed returns the ids of the failed requests. Without failed requests, it returns
// an error.
func (o *office) failed(ctx context.Context) (ids []int64, err error) {
	all, err := o.inbox.List(ctx)
	for _, r := range in(inbox.Failed, all) {
		ids = append(ids, r.ID)
	}
	if err == nil && len(ids) == 0 {
		err = errors.New("no request has failed: there is nothing to try again")
	}
	return ids, err
}
