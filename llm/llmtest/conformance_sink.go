package llmtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A sinkRecorder is a sink that records its deltas and the first wrong use of the
// sink.
type sinkRecorder struct {
	onDelta func(llm.Delta) // may be nil
	owner   string          // of the goroutines that Generate starts

	mu       sync.Mutex
	deltas   []llm.Delta
	inCall   bool // a call of the sink runs now
	returned bool // Generate has returned
	wrong    error
}

func (w *sinkRecorder) record(d llm.Delta) {
	w.mu.Lock()
	switch {
	case w.wrong != nil:
	case w.returned:
		w.wrong = fmt.Errorf("the sink got %#v after Generate had returned", d)
	case w.inCall:
		w.wrong = fmt.Errorf("the sink got %#v while it was still busy with a previous delta", d)
	case !calledBy("llmtest.generate"):
		w.wrong = fmt.Errorf("the sink got %#v on a goroutine other than the caller's", d)
	}
	w.inCall = true
	w.deltas = append(w.deltas, d)
	w.mu.Unlock()
	runtime.Gosched() // a chance for a wrong concurrent call
	if w.onDelta != nil {
		w.onDelta(d)
	}
	w.mu.Lock()
	w.inCall = false
	w.mu.Unlock()
}

// calledBy reports whether a function is on the stack of this goroutine.
func calledBy(function string) bool {
	pcs := make([]uintptr, 256)
	n := runtime.Callers(1, pcs)
	for n == len(pcs) {
		pcs = make([]uintptr, 2*n)
		n = runtime.Callers(1, pcs)
	}
	for frames := runtime.CallersFrames(pcs[:n]); ; {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.Function, function) {
			return true
		}
		if !more {
			return false
		}
	}
}

// generate calls m.Generate. The name of this function on the stack identifies the
// goroutine.
//
//go:noinline
func generate(ctx context.Context, m llm.Model, req *llm.Request, w *sinkRecorder) (resp *llm.Response, err error) {
	pprof.Do(ctx, pprof.Labels(label, w.owner), func(ctx context.Context) {
		resp, err = m.Generate(ctx, req, w.record)
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.returned = true
	return resp, err
}

// recorded returns the deltas so far, and an error for the first wrong use.
func (w *sinkRecorder) recorded() ([]llm.Delta, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.deltas, w.wrong
}

// label is a profiler label for the goroutines that Generate starts. A new goroutine
// inherits the labels of its parent.
const label = "llmtest.generate"

// ownerLabel returns the value of label for one test.
func ownerLabel(t *testing.T) string { return fmt.Sprintf("%p", t) }

// runningGoroutines counts the running goroutines with the label of owner.
func runningGoroutines(owner string) (n int) {
	var b bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&b, 1) // to memory
	labelled := regexp.MustCompile(`(?m)^(\d+) @.*\n# labels: \{[^}]*` + regexp.QuoteMeta(fmt.Sprintf("%q:%q", label, owner)))
	for _, m := range labelled.FindAllStringSubmatch(b.String(), -1) {
		k, _ := strconv.Atoi(m[1])
		n += k
	}
	return n
}

// poll calls ok with growing pauses for about d, at least five times, until ok
// returns true.
func poll(d time.Duration, ok func() bool) bool {
	const looks = 5
	pause := time.Millisecond
	for i, begun := 0, time.Now(); i < looks || time.Since(begun) < d; i++ {
		if ok() {
			return true
		}
		<-time.After(pause)
		pause = min(2*pause, d/looks)
	}
	return ok()
}

// joinDeltas joins deltas to the texts and calls of an answer.
func joinDeltas(deltas []llm.Delta) (text, reasoning string, calls []llm.ToolCall, err error) {
	for _, d := range deltas {
		switch d := d.(type) {
		case llm.TextDelta:
			text += d.Text
		case llm.ReasoningDelta:
			reasoning += d.Text
		case llm.Restarted:
			text, reasoning, calls = "", "", nil
		case llm.CallDelta:
			if d.Index < 0 || d.Index > len(calls) {
				return "", "", nil, fmt.Errorf("a delta of call %d came when there were %d", d.Index, len(calls))
			}
			if d.Index == len(calls) {
				calls = append(calls, llm.ToolCall{})
			}
			if err := addCall(&calls[d.Index], d); err != nil {
				return "", "", nil, err
			}
		case nil:
			return "", "", nil, errors.New("the sink got a nil delta")
		}
	}
	return text, reasoning, calls, nil
}

func addCall(c *llm.ToolCall, d llm.CallDelta) error {
	for _, of := range []struct {
		what  string
		known *string
		now   string
	}{{"id", &c.ID, d.ID}, {"name", &c.Name, d.Name}} {
		if *of.known != "" && of.now != "" && of.now != *of.known {
			return fmt.Errorf("the %s of call %d was %q in one delta and %q in another", of.what, d.Index, *of.known, of.now)
		}
		if of.now != "" {
			*of.known = of.now
		}
	}
	c.Arguments += d.Arguments
	return nil
}
