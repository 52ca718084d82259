package stores_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// watched is a journal with a point before and after everything that is done with it.
type watched struct {
	journal.Journal
	parent *parent
}

// Open waits for a lease that a killed process has left.
func (j watched) Open(ctx context.Context, session string) (journal.Log, error) {
	j.parent.point("before open")
	log, err := j.Journal.Open(ctx, session)
	for busy := true; busy; {
		if _, busy = errors.AsType[*journal.BusyError](err); busy {
			select {
			case <-time.After(lease / 30):
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
			log, err = j.Journal.Open(ctx, session)
		}
	}
	if err != nil {
		return nil, err
	}
	j.parent.point("after open")
	return watchedLog{log, j.parent}, nil
}

type watchedLog struct {
	journal.Log
	parent *parent
}

func (l watchedLog) Events(ctx context.Context) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		var last int64
		for e, err := range l.Log.Events(ctx) {
			if !yield(e, err) || err != nil {
				return
			}
			last = e.Seq
		}
		l.parent.tell(report{Kind: loaded, Point: "after load", Seq: last})
	}
}

func (l watchedLog) Append(ctx context.Context, sync bool, events ...event.Event) error {
	l.parent.point("before append " + nameOf(events, 0))
	if err := l.Log.Append(ctx, sync, events...); err != nil {
		return err
	}
	r := report{Kind: atPoint, Point: "after append " + nameOf(events, len(events)-1), Seq: events[len(events)-1].Seq}
	for _, e := range events {
		if b, ok := e.Body.(event.ToolCallFinished); ok {
			r.Ends = append(r.Ends, string(b.Call))
		}
	}
	l.parent.tell(r)
	return nil
}

func (l watchedLog) Close() error {
	l.parent.point("before close")
	defer l.parent.point("after close")
	return l.Log.Close()
}

// nameOf names an append by its events. Which calls of a turn end together, and in
// which order, is chance, so a point with all their names could appear in a rehearsal
// and never again. Of the ends of calls, the name has only event i.
func nameOf(events []event.Event, i int) string {
	var names []string
	for j, e := range events {
		if _, end := e.Body.(event.ToolCallFinished); !end || i == j {
			names = append(names, strings.TrimSpace(string(e.Path)+" "+e.Type()+" "+subject(e.Body)))
		}
	}
	return strings.Join(names, ", ")
}

// subject is the call or the turn that an event is about.
func subject(b event.Body) string {
	switch b := b.(type) {
	case event.TurnPrepared:
		return fmt.Sprint(b.Turn)
	case event.ModelAnswered:
		return fmt.Sprint(b.Turn)
	case event.ToolCallStarted:
		return string(b.Call)
	case event.ToolCallDeferred:
		return string(b.Call)
	case event.ToolCallFinished:
		return string(b.Call)
	case event.ApprovalAsked:
		return string(b.Call)
	case event.ApprovalDecided:
		return string(b.Call)
	case event.InDoubtDecided:
		return fmt.Sprint(b.Call, " ", b.Decision, " by ", b.By)
	case event.RunPaused:
		return fmt.Sprint(b.Calls)
	case event.UserMessaged:
		return b.Key
	case event.OutputRejected:
		return fmt.Sprint(b.Turn)
	case event.Compacted:
		return fmt.Sprint(b.Turn)
	case event.Checked:
		return fmt.Sprint(b.Turn, " ", b.Check, " of ", b.Stage, " ", b.Call, " ", b.Verdict)
	case event.HandedOff:
		return fmt.Sprint(b.Turn, " to ", b.To)
	}
	return ""
}

// refOf is the call that a key is of: behind the session and the id of the run. The call of
// a helper has slashes of its own.
func refOf(key string) string {
	_, rest, _ := strings.Cut(key, "/")
	_, ref, _ := strings.Cut(rest, "/")
	return ref
}
