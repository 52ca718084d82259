package runner

import (
	"context"
	"encoding/json"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// The state of a session is saved every saveEvery events, if the conversation is short in
// comparison with the past: at most one message for savedShare events, because a compaction
// has shortened it. Opening the session then reads the saved state and the events since.
// Without a compaction, reading the events is as fast.
const (
	saveEvery  = 1000
	savedShare = 8
)

// A stateKeeper is a log that keeps a saved state; see journal.Log.
type stateKeeper interface {
	LoadState(ctx context.Context) (seq int64, state []byte, err error)
	SaveState(ctx context.Context, seq int64, state []byte) error
}

// A savedSession is the JSON of a saved state.
type savedSession struct {
	State json.RawMessage `json:"state"`
	Last  event.Event     `json:"last"`           // the last event, by which a log proves to be the same
	From  int64           `json:"from,omitempty"` // see recorder.from
}

// loadSaved returns the saved state of the log, or nil. Whatever is wrong with it, the
// events of the log are still there.
func (r *recorder) loadSaved(ctx context.Context) *snapshot {
	log, ok := r.log.(stateKeeper)
	if !ok {
		return nil
	}
	seq, data, err := log.LoadState(ctx)
	if err != nil || seq == 0 {
		return nil
	}
	var saved savedSession
	if json.Unmarshal(data, &saved) != nil || saved.Last.Seq != seq {
		return nil
	}
	state, err := loop.Load(saved.State)
	if err != nil || state.Seq != seq {
		return nil
	}
	return &snapshot{state: state, recent: []event.Event{saved.Last}, from: saved.From, saved: seq}
}

// saveState saves the state, if many events came since it was saved last. A failure is
// logged: the session only takes longer to open.
func (r *recorder) saveState(ctx context.Context) {
	r.acquire()
	defer r.release()
	log, ok := r.log.(stateKeeper)
	if !ok || r.state.Seq-r.saved < saveEvery || int64(len(r.state.Messages)) > r.state.Seq/savedShare || len(r.recent) == 0 || r.log.Context().Err() != nil {
		return
	}
	saved := savedSession{Last: r.recent[len(r.recent)-1], From: r.from}
	if first := r.recent[0].Seq; saved.From == 0 && first < saved.Last.Seq {
		saved.From = first
	}
	var err error
	if saved.State, err = r.state.Save(); err == nil {
		var data []byte
		if data, err = json.Marshal(saved); err == nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeBound)
			defer cancel()
			err = log.SaveState(ctx, r.state.Seq, data)
		}
	}
	r.saved = r.state.Seq // after a failure, too: the next try comes later
	if err != nil {
		r.logger.Warn("state of the session not saved", "error", r.redactor.error(err))
	}
}

// fillRecent reads the recent events that are not in memory. The caller has the lock.
func (r *recorder) fillRecent(ctx context.Context) {
	log, ok := r.log.(tailReader)
	if r.from == 0 || !ok {
		return
	}
	var earlier []event.Event
	for ev, err := range log.EventsAfter(ctx, r.from-1) {
		if err != nil {
			return // the events are for display, and the next run tries again
		}
		if ev.Seq == r.recent[0].Seq {
			break
		}
		earlier = append(earlier, ev)
	}
	r.recent, r.from = append(earlier, r.recent...), 0
}
