package temporal_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/temporal"
)

// inStorm makes a worker of the storm: with an archive, an Outage, and a model that is down at times.
func inStorm(w *temporal.Worker, dir string, seed uint64) {
	w.Runner.Model = planModel(seed)
	w.Runner.MaxTurns = -1
	w.Watch = nil
	w.Outage = time.Hour
	w.Archive = slowly{journal.Dir{Path: filepath.Join(dir, "archive")}}
}

// planned begins a message with a plan: the words are turns, and "+" is between their tools.
const planned = "plan: "

// planModel makes the calls of the newest plan, and remembers nothing. The items of the calls differ.
func planModel(seed uint64) llm.Model {
	return llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		select {
		case <-time.After(30 * time.Millisecond):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if err := weather(seed, time.Now(), sink); err != nil {
			return nil, err
		}
		plan, turn := []string(nil), 0
		for _, m := range slices.Backward(req.Messages) {
			if text, is := strings.CutPrefix(m.Text(), planned); is && m.Role == llm.RoleUser {
				plan = strings.Fields(text)
				break
			}
			if len(m.Calls()) > 0 {
				turn++
			}
		}
		if turn+1 >= len(plan) {
			return llmtest.NewScript(llmtest.Text("All done.")).Generate(ctx, req, sink)
		}
		var step llmtest.Step
		for i, name := range strings.Split(plan[turn+1], "+") {
			call := llmtest.Calls(name, order{fmt.Sprintf("%s.%d.%d", plan[0], turn, i)})
			if i == 0 {
				step = call
			} else {
				step = step.And(call)
			}
		}
		return llmtest.NewScript(step).Generate(ctx, req, sink)
	})
}

// weather returns how the model is down at a time, or nil. A model is down for one second of three, so
// the pauses do not grow long. All workers have the same weather.
func weather(seed uint64, now time.Time, sink func(llm.Delta)) error {
	if now.Unix()%3 != 0 {
		return nil
	}
	switch rand.New(rand.NewPCG(seed, uint64(now.UnixMilli()/200))).IntN(4) {
	case 0:
		return &llm.APIError{Kind: llm.KindOverloaded, Provider: "openai", StatusCode: 503, Message: "Busy."}
	case 1:
		return &llm.APIError{Kind: llm.KindOverloaded, Provider: "openai", StatusCode: 503, Message: "Later.", RetryAfter: 1500 * time.Millisecond}
	case 2:
		return &llm.APIError{Kind: llm.KindNetwork, Provider: "openai", Err: syscall.ECONNREFUSED}
	default:
		sink(llm.TextDelta{Text: "All "})
		return &llm.APIError{Kind: llm.KindTruncated, Provider: "openai", Message: "the stream broke", Err: io.ErrUnexpectedEOF}
	}
}

// slowly is a Journal that stores a few events at a time, and slowly.
type slowly struct{ journal.Dir }

func (s slowly) Open(ctx context.Context, session string) (journal.Log, error) {
	log, err := s.Dir.Open(ctx, session)
	return slowLog{log}, err
}

type slowLog struct{ journal.Log }

func (l slowLog) Append(ctx context.Context, sync bool, events ...event.Event) error {
	for some := range slices.Chunk(events, 1+len(events)/4) {
		if err := l.Log.Append(ctx, sync, some...); err != nil {
			return err
		}
		<-time.After(60 * time.Millisecond) // for a kill
	}
	return nil
}
