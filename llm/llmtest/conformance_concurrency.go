package llmtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
)

func (s suite) owned(t *testing.T) error {
	m := s.newModel(t, Text("One.").And(Calls("f", `{"a":1}`)).Forever())
	first, err := generate(t.Context(), m, newQuestion("hi"), &sinkRecorder{})
	if err != nil {
		return err
	}
	for i := range first.Message.Parts {
		first.Message.Parts[i] = llm.Text{Text: "changed"}
	}
	copy(first.RawUsage, "changed")
	second, err := generate(t.Context(), m, newQuestion("hi"), &sinkRecorder{})
	if err != nil {
		return err
	}
	return errors.Join(
		expect("the text of a second response, after the first was changed", "One.", second.Message.Text()),
		expect("the calls of a second response, after the first was changed", []string{`f({"a":1})`}, callTexts(second.Message.Calls())))
}

func (s suite) concurrent(t *testing.T) error {
	const callers = 8
	m := s.newModel(t, Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		return Text("You said " + req.Messages[len(req.Messages)-1].Text() + ".").Response()
	}).Forever())
	errs := make([]error, callers)
	shared := new(llm.Memo)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			if i%2 == 0 { // the same conversation in several goroutines
				errs[i] = oneCaller(t.Context(), m, "We are many", shared)
			} else {
				errs[i] = oneCaller(t.Context(), m, fmt.Sprint("I am ", i), nil)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// oneCaller sends a text and checks that answer and deltas repeat the same text.
func oneCaller(ctx context.Context, m llm.Model, text string, memo *llm.Memo) error {
	req := streamedQuestion(text)
	req.Memo = memo
	w := &sinkRecorder{}
	resp, err := generate(ctx, m, req, w)
	if err != nil {
		return err
	}
	deltas, wrong := w.recorded()
	shown, _, _, _ := joinDeltas(deltas)
	return errors.Join(wrong,
		expect("the text for one of many callers", "You said "+text+".", resp.Message.Text()),
		expect("the deltas for one of many callers", "You said "+text+".", shown))
}

// goroutines compares the running goroutines after a few calls and after more calls:
// a client may keep connections, but not one connection for each call.
func (s suite) goroutines(t *testing.T) error {
	const calls = 8
	m := s.newModel(t, Text("One, two, three.").Forever())
	round := func() error {
		for i := range calls {
			if err := s.oneOfMany(t, m, i%2 == 0); err != nil {
				return err
			}
		}
		return nil
	}
	if err := round(); err != nil {
		return err
	}
	poll(100*time.Millisecond, func() bool { return runningGoroutines(ownerLabel(t)) == 0 })
	before := runningGoroutines(ownerLabel(t))
	if err := round(); err != nil {
		return err
	}
	if !poll(s.patience, func() bool { return runningGoroutines(ownerLabel(t)) < before+calls/2 }) {
		return fmt.Errorf("%d goroutines that Generate started still run after %d calls, and %d after half of the calls",
			runningGoroutines(ownerLabel(t)), 2*calls, before)
	}
	return nil
}

// oneOfMany calls m, and cancels at the first delta if cut is true.
func (s suite) oneOfMany(t *testing.T, m llm.Model, cut bool) error {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	w := &sinkRecorder{owner: ownerLabel(t)}
	if cut {
		w.onDelta = func(llm.Delta) { cancel(errCancelled) }
	}
	_, err := generate(ctx, m, streamedQuestion("hi"), w)
	if cut && err == errCancelled { //nolint:errorlint // the contract is the cause itself
		return nil
	}
	return err
}
