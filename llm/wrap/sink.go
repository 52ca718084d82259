package wrap

import (
	"github.com/seed-916e8f6a/toolloop/internal/batched"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// A sinkWatcher passes deltas on and records whether the sink has seen a part of an answer.
type sinkWatcher struct {
	sink  func(llm.Delta)
	shown bool
}

func (w *sinkWatcher) sinkOrNil() func(llm.Delta) {
	if w.sink == nil {
		return nil
	}
	return w.see
}

func (w *sinkWatcher) see(d llm.Delta) {
	switch d.(type) {
	case llm.TextDelta, llm.ReasoningDelta, llm.CallDelta, *batched.Batch:
		w.shown = true
	case llm.Restarted:
		w.shown = false
	}
	w.sink(d)
}

// notice gives the sink a notice.
func (w *sinkWatcher) notice(text string) {
	if w.sink != nil {
		w.sink(llm.Notice{Text: text})
	}
}

// restart tells the sink to discard the deltas before.
func (w *sinkWatcher) restart(err error) {
	if w.shown {
		w.shown = false
		w.sink(llm.Restarted{Err: err})
	}
}
