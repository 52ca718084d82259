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

// A sinkRecorder is a sink that sees how it is called.
type sinkRecorder struct {
	onDelta func(llm.Delta) // may be nil
	owner   string          // of the goroutines that Generate starts

	mu       sync.Mutex
	deltas   []llm.Delta
	inCall   bool // a call has not ended
	returned bool // Generate has
	wrong    error
}

func (w *sinkRecorder) record(d llm.Delta) {
	w.mu.Lock()
	switch {
	case w.wrong != nil:
	case w.returned:
		w.wrong = fmt.Errorf("the sink got %#v after Generate had returned", d)
	case w.inCall:
		w.wrong = fmt.Errorf("the sink got %#v while it was still busy with another delta", d)
	case !calledBy("llmtest.generate"):
		w.wrong = fmt.Errorf("the sink got %#v on another goroutine than that which called Generate", d)
	}
	w.inCall = true
	w.deltas = append(w.deltas, d)
	w.mu.Unlock()
	runtime.Gosched() // whoever else has a delta may come now
	if w.onDelta != nil {
		w.onDelta(d)
	}
	w.mu.Lock()
	w.inCall = false
	w.mu.Unlock()
}

// calledBy reports whether a function stands on the stack of this goroutine.
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

// generate asks m. Its name on the stack tells the goroutine.
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

// recorded returns the deltas, and what was wrong about them so far.
func (w *sinkRecorder) recorded() ([]llm.Delta, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.deltas, w.wrong
}

// label marks the goroutines that Generate starts, and those that they start:
// they inherit it.
const label = "llmtest.generate"

// ownerLabel tells the goroutines of one test from those of others.
func ownerLabel(t *testing.T) string { return fmt.Sprintf("%p", t) }

// runningGoroutines counts the goroutines of owner that have not ended.
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

// poll waits until ok, looking less and less often, for about d. It looks a
// few times however slow that is.
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

// joinDeltas adds up deltas to what they show of an answer.
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
