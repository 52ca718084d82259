package journaltest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// readerOf returns the journal of a new process as a Reader. ok is false if the store is
// none.
func readerOf(s Store) (journal.Reader, bool) {
	r, ok := s.Open().(journal.Reader)
	return r, ok
}

// readWhileWriting: while a process writes, readers in other processes see prefixes of what
// is recorded, cut between two appends, and keep nobody from writing. Watch yields
// everything.
func readWhileWriting(ctx context.Context, s Store) error {
	const total, batch = 600, 3
	all := notes(1, total)
	r, ok := readerOf(s)
	if !ok {
		return nil // the methods are optional
	}
	if err := same(r.Read(ctx, session, 0), nil); err != nil {
		return fmt.Errorf("a session without events: %w", err)
	}
	var group sync.WaitGroup
	errs := make([]error, 4)
	group.Go(func() { errs[0] = watched(ctx, s, all) })
	done := make(chan struct{})
	for i := range 2 {
		group.Go(func() { errs[1+i] = readAgain(ctx, s, all, batch, done) })
	}
	err := with(ctx, s.Open(), session, func(log journal.Log) error {
		for i := 0; i < total; i += batch {
			if err := log.Append(ctx, i%50 == 0, all[i:i+batch]...); err != nil {
				return err
			}
			if i%60 == 0 {
				if err := same(r.Read(ctx, session, int64(i)), all[i:i+batch]); err != nil {
					return fmt.Errorf("reading right after an append: %w", err)
				}
			}
		}
		return nil
	})
	close(done)
	if err != nil {
		return err
	}
	group.Wait()
	return errors.Join(errs...)
}

// watched watches a session until all events have come.
func watched(ctx context.Context, s Store, all []event.Event) error {
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	r, _ := readerOf(s)
	var got []event.Event
	for e, err := range r.Watch(ctx, session, 2) {
		if err != nil {
			return fmt.Errorf("watching, %d events: %w", len(got), err)
		}
		if got = append(got, e); len(got) == len(all)-2 {
			break
		}
	}
	return equal(got, all[2:])
}

// equal compares two lists of events.
func equal(got, want []event.Event) error {
	return same(func(yield func(event.Event, error) bool) {
		for _, e := range got {
			if !yield(e, nil) {
				return
			}
		}
	}, want)
}

// readAgain reads a session again and again: no reading has fewer events than the one
// before.
func readAgain(ctx context.Context, s Store, all []event.Event, batch int, done <-chan struct{}) error {
	r, _ := readerOf(s)
	for least := 0; ; {
		n := 0
		var got []event.Event
		for e, err := range r.Read(ctx, session, 0) {
			if err != nil {
				return fmt.Errorf("reading while another process writes: event %d: %w", n+1, err)
			}
			got = append(got, e)
			n++
		}
		if n < least || n > len(all) || n%batch != 0 {
			return fmt.Errorf("reading while another process writes: %d events, after %d, in appends of %d", n, least, batch)
		}
		if err := equal(got, all[:n]); err != nil {
			return err
		}
		least = n
		select {
		case <-done:
			return same(r.Read(ctx, session, 0), all)
		default:
		}
	}
}

// readWhileReading: the body of a loop may append to the session and read it, and a
// watcher ends with its context.
func readWhileReading(ctx context.Context, s Store) error {
	r, ok := readerOf(s)
	if !ok {
		return nil
	}
	return with(ctx, s.Open(), session, func(log journal.Log) error {
		if err := add(ctx, log, true, 4, notes(1, 8)); err != nil {
			return err
		}
		n := int64(0)
		for e, err := range r.Read(ctx, session, 3) {
			if err != nil {
				return err
			}
			n++
			if e.Seq != 3+n {
				return fmt.Errorf("behind event 3, event %d was read at place %d", e.Seq, n)
			}
			if err := add(ctx, log, true, 1, notes(8+n, 1)); err != nil {
				return fmt.Errorf("in the body of a loop of a reader: %w", err)
			}
			for range r.Read(ctx, session, 0) {
				break
			}
		}
		if n != 5 {
			return fmt.Errorf("a loop that began at 8 events saw %d behind event 3", n)
		}
		if err := same(r.Read(ctx, session, 99), nil); err != nil {
			return fmt.Errorf("behind the end: %w", err)
		}
		watching, stop := context.WithCancelCause(ctx)
		enough := errors.New("enough")
		var last error
		for e, err := range r.Watch(watching, session, -1) {
			if last = err; err == nil && e.Seq == 13 {
				stop(enough)
			}
		}
		stop(nil)
		if !errors.Is(last, enough) && !errors.Is(last, context.Canceled) {
			return fmt.Errorf("a watcher whose context ended: got error %s, want its cause", fmt.Sprint(last))
		}
		return nil
	})
}

// stories are sessions with the summaries that they must have.
func stories() map[string]struct {
	bodies []event.Body
	want   journal.Summary
	paths  map[int]event.CallRef // of the events of helpers, by their positions
} {
	started := event.RunStarted{Run: 1, Agent: "desk", ID: "x"}
	asked := []event.Body{started, event.UserMessaged{Message: llm.User("Go.")}, event.TurnPrepared{Turn: 1, Agent: "desk"}}
	said := event.UserMessaged{Message: llm.User("Go."), Said: true}
	finished := event.RunFinished{Run: 1, Turns: 1}
	paused := append(slices.Clip(asked), event.RunPaused{Run: 1, Calls: []event.CallRef{"r1.t1.c0"}})
	late := append(slices.Clip(asked), event.RunPaused{Run: 1, Calls: []event.CallRef{"r1.t1.c0"}, Late: []event.CallRef{"r1.t1.c0"}, Until: moment})
	both := append(slices.Clip(asked), event.RunPaused{Run: 1, Calls: []event.CallRef{"r1.t1.c0", "r1.t1.c1"}, Late: []event.CallRef{"r1.t1.c0"}})
	result := event.ToolCallFinished{Call: "r1.t1.c0", Given: &event.Given{Checksum: 1}}
	of := func(from, to int) map[int]event.CallRef {
		paths := map[int]event.CallRef{}
		for i := from; i < to; i++ {
			paths[i] = "r1.t1.c0"
		}
		return paths
	}
	belowLate := of(3, 7)
	belowLate[8] = "r1.t1.c0" // the result
	long := slices.Clip(asked)
	for range 400 {
		long = append(long, event.ToolCallFinished{Call: "r1.t1.c0", Result: llm.ToolResult{Name: "f", Parts: llm.Parts{llm.Text{Text: large(200, 1)}}}})
	}
	helper := []event.Body{event.RunStarted{Run: 1, Agent: "helper", ID: "z"}, event.UserMessaged{Message: llm.User("Go.")}, event.TurnPrepared{Turn: 1, Agent: "helper"}, event.RunPaused{Run: 1}}
	type story = struct {
		bodies []event.Body
		want   journal.Summary
		paths  map[int]event.CallRef
	}
	return map[string]story{
		"a said":       {[]event.Body{said}, journal.Summary{Status: journal.Waiting, Said: true}, nil},
		"b running":    {asked, journal.Summary{Status: journal.Running, Agent: "desk", Run: 1}, nil},
		"b handed":     {append(slices.Clip(asked), event.TurnPrepared{Turn: 2, Agent: "refunds"}), journal.Summary{Status: journal.Running, Agent: "refunds", Run: 1}, nil},
		"b long":       {long, journal.Summary{Status: journal.Running, Agent: "desk", Run: 1}, nil},
		"b paused":     {paused, journal.Summary{Status: journal.Paused, Agent: "desk", Run: 1}, nil},
		"b decided":    {append(slices.Clip(paused), event.ApprovalDecided{Call: "r1.t1.c0"}), journal.Summary{Status: journal.Running, Agent: "desk", Run: 1}, nil},
		"b late":       {late, journal.Summary{Status: journal.Late, Agent: "desk", Run: 1, Until: moment}, nil},
		"b result":     {append(slices.Clip(late), result), journal.Summary{Status: journal.Running, Agent: "desk", Run: 1}, nil},
		"b both":       {both, journal.Summary{Status: journal.Paused, Agent: "desk", Run: 1}, nil},
		"b late below": {append(slices.Clip(asked), append(slices.Clip(helper), late[3], result)...), journal.Summary{Status: journal.Running, Agent: "desk", Run: 1}, belowLate},
		"b finished":   {append(slices.Clip(asked), finished), journal.Summary{Status: journal.Finished, Agent: "desk", Run: 1}, nil},
		"b failed":     {append(slices.Clip(asked), event.RunFailed{Run: 1, Error: "x"}), journal.Summary{Status: journal.Failed, Agent: "desk", Run: 1}, nil},
		"b more":       {append(slices.Clip(asked), finished, said), journal.Summary{Status: journal.Waiting, Said: true, Agent: "desk", Run: 1}, nil},
		"b unread":     {append(slices.Clip(asked), said, finished), journal.Summary{Status: journal.Waiting, Said: true, Agent: "desk", Run: 1}, nil},
		"b read":       {append(slices.Clip(asked), said, event.TurnPrepared{Turn: 2, Agent: "desk"}, finished), journal.Summary{Status: journal.Finished, Agent: "desk", Run: 1}, nil},
		"b helped":     {append(slices.Clip(asked), helper...), journal.Summary{Status: journal.Running, Agent: "desk", Run: 1}, of(3, 7)},
		"b stuck":      {append(slices.Clip(asked), append(slices.Clip(helper), paused[3])...), journal.Summary{Status: journal.Paused, Agent: "desk", Run: 1}, of(3, 7)},
		"b unstuck":    {append(slices.Clip(asked), append(slices.Clip(helper), paused[3], event.ApprovalDecided{Call: "r1.t1.c0/r1.t1.c0"})...), journal.Summary{Status: journal.Running, Agent: "desk", Run: 1}, of(3, 7)},
		"c again":      {append(slices.Clip(asked), finished, event.RunStarted{Run: 2, Agent: "late", ID: "y"}), journal.Summary{Status: journal.Running, Agent: "late", Run: 2}, nil},
	}
}

// lists: List has the right summary of every kind of session, while the sessions are open
// and after they were closed, and filters and pages.
func lists(ctx context.Context, s Store) error {
	r, ok := readerOf(s)
	if !ok {
		return nil
	}
	var want []journal.Summary
	var logs []journal.Log
	defer func() {
		for _, log := range logs {
			_ = log.Close()
		}
	}()
	empty, err := s.Open().Open(ctx, "b without events")
	if err != nil {
		return err
	}
	logs = append(logs, empty)
	j := s.Open()
	for name, story := range stories() {
		log, err := j.Open(ctx, name)
		if err != nil {
			return err
		}
		logs = append(logs, log)
		sum := journal.Summary{Session: name}
		at := moment.Add(time.Duration(len(want)) * time.Hour)
		for i, b := range story.bodies {
			e := event.Event{Seq: int64(i) + 1, Time: at.Add(time.Duration(i)), Body: b, Path: story.paths[i]}
			sum.Add(e)
			if err := log.Append(ctx, false, e); err != nil {
				return err
			}
		}
		got := sum
		got.Session, got.Seq, got.Since, got.Changed = "", 0, time.Time{}, time.Time{}
		if got != story.want {
			return fmt.Errorf("session %q: the summary of package journal is %+v, want %+v", name, got, story.want)
		}
		want = append(want, sum)
	}
	slices.SortFunc(want, func(a, b journal.Summary) int { return cmpNames(a.Session, b.Session) })
	if err := listed(ctx, r, want); err != nil {
		return fmt.Errorf("while the sessions are open: %w", err)
	}
	for _, log := range logs {
		if err := log.Close(); err != nil {
			return err
		}
	}
	logs = nil
	if r, _ = readerOf(s); r != nil {
		err = listed(ctx, r, want)
	}
	if err != nil {
		return fmt.Errorf("in another process: %w", err)
	}
	return pages(ctx, r, want)
}

func cmpNames(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// listed compares what several filters select.
func listed(ctx context.Context, r journal.Reader, all []journal.Summary) error {
	middle := all[len(all)/2].Changed
	for _, f := range []journal.Filter{
		{},
		{Prefix: "b "}, {Prefix: "b p"}, {Prefix: "B"}, {Prefix: "b", After: "b long"}, {After: "b"}, {Prefix: "a", After: "b"},
		{Status: journal.Running}, {Status: journal.Paused}, {Status: journal.Waiting}, {Status: journal.Failed},
		{Agent: "refunds"}, {Agent: "nobody"}, {Agent: "desk", Status: journal.Finished, Prefix: "b"},
		{ChangedSince: middle}, {ChangedBefore: middle}, {ChangedSince: middle, ChangedBefore: middle.Add(1)},
	} {
		var want, got []journal.Summary
		for _, s := range all {
			if f.Fits(s) {
				want = append(want, s)
			}
		}
		for s, err := range r.List(ctx, f) {
			if err != nil {
				return fmt.Errorf("list %+v: %w", f, err)
			}
			got = append(got, s)
		}
		if !slices.EqualFunc(got, want, sameSummary) {
			return fmt.Errorf("list %+v:\n got %+v\nwant %+v", f, got, want)
		}
	}
	return nil
}

func sameSummary(a, b journal.Summary) bool {
	same := a.Since.Equal(b.Since) && a.Changed.Equal(b.Changed)
	a.Since, a.Changed, b.Since, b.Changed = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	return same && a == b
}

// pages checks the order of pages with one session each.
func pages(ctx context.Context, r journal.Reader, want []journal.Summary) error {
	after := ""
	for i := range want {
		for s, err := range r.List(ctx, journal.Filter{After: after}) {
			if err != nil {
				return err
			}
			if s.Session != want[i].Session {
				return fmt.Errorf("the page behind %q begins with %q, want %q", after, s.Session, want[i].Session)
			}
			after = s.Session
			break
		}
	}
	for s := range r.List(ctx, journal.Filter{After: after}) {
		return fmt.Errorf("behind the last session comes %q", s.Session)
	}
	return nil
}
