package serve

import (
	"context"
	"errors"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A writer writes pieces in the words of a protocol.
type writer interface {
	// write takes a piece.
	write(p piece) error
	// flush sends what was written.
	flush() error
	// beat keeps the connection open.
	beat() error
	// fail ends the stream of a failed run. A run going on elsewhere breaks the stream off, and
	// fail returns an error.
	fail(err error) error
}

// A follower is a reader of a run.
type follower struct {
	conv  *conversation
	run   *run
	to    writer
	from  start
	place place

	teller  teller
	told    []piece // of the message, before the first is sent
	loud    bool
	mine    bool // the event is of this run
	silent  bool // the event is not told
	message string
	last    *piece // the end of the run
	err     error
}

// A start is where a stream begins: with whole at the beginning of the message, with after behind
// an event, and otherwise with the run.
type start struct {
	whole bool
	after int64
}

// follow sends a run to a page until the run ends or ctx ends.
func (conv *conversation) follow(ctx context.Context, r *run, from start, to writer) error {
	f := &follower{conv: conv, run: r, to: to, from: from}
	f.teller.tell = f.take
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for f.err == nil {
		b := r.next(&f.place)
		if b.behind {
			moved, err := f.read(ctx, b)
			if err != nil {
				return err
			}
			if moved {
				continue
			}
		}
		for _, e := range b.events {
			f.add(e, b.first)
		}
		if b.over && f.place.seq >= b.last {
			return f.finish(b)
		}
		if b.first > 0 || !f.run.fresh {
			f.speak(b.first)
		}
		if f.err == nil {
			f.err = to.flush()
		}
		if f.err != nil {
			break
		}
		select {
		case <-b.changed:
		case <-beat.C:
			f.err = to.beat()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return f.err
}

// read reads the journal up to what the run keeps. moved is false if nothing is new.
func (f *follower) read(ctx context.Context, b batch) (moved bool, err error) {
	c := f.conv.chat
	for e, err := range c.reader.Read(ctx, f.conv.name, f.place.seq) {
		if err != nil {
			return false, err
		}
		if b.before > 0 && e.Seq >= b.before || f.run.isBehind(e.Seq) {
			break
		}
		moved = true
		f.add(c.public(e), b.first)
		f.place.pass(e)
		if f.err != nil {
			return moved, f.err
		}
	}
	return moved, nil
}

// add tells an event, or keeps silent. first is the first event of the run.
func (f *follower) add(e event.Event, first int64) {
	f.silent = e.Seq > 0 && !f.from.whole && (e.Seq < first || e.Seq <= f.from.after)
	f.mine = first > 0 && e.Seq >= first
	f.teller.add(e)
	f.silent = false
}

// take gets a piece of the teller.
func (f *follower) take(p piece) {
	switch {
	case p.past, p.kind == aUser:
		return
	case f.silent:
		if f.last = nil; p.kind == anEnd && f.mine { // of this run, so its stream ends so, too
			f.last = &p
		}
		return
	case f.loud:
		if p.to == f.message {
			f.write(p)
		}
		return
	}
	if len(f.told) > 0 && f.told[0].to != p.to { // another message began
		f.told = nil
	}
	f.told = append(f.told, p)
}

// speak sends the pieces so far, and from now on each piece at once, if the pieces are about
// the message of the run.
func (f *follower) speak(first int64) {
	if f.loud || len(f.told) == 0 || f.told[0].to != f.teller.message || f.teller.started > 0 || f.run.fresh && first > f.place.seq {
		return
	}
	f.loud, f.message = true, f.told[0].to
	for _, p := range f.told {
		f.write(p)
	}
	f.told = nil
}

func (f *follower) write(p piece) {
	if p.kind == anEnd {
		f.last = &p
		return
	}
	if f.last != nil { // the run goes on after a pause or a failure
		f.last = nil
	}
	if f.err == nil {
		f.err = f.to.write(p)
	}
}

// finish ends the stream of an ended run.
func (f *follower) finish(b batch) error {
	if f.run.fresh && b.first == 0 && b.err != nil && !errors.Is(b.err, runner.ErrPaused) {
		f.last = nil // of an earlier run: this run waited in the queue, and its input was refused
	} else {
		f.speak(b.first)
	}
	if f.err != nil {
		return f.err
	}
	if f.last != nil && f.last.end != failed {
		f.err = f.to.write(*f.last)
	} else {
		f.err = f.to.fail(b.err)
	}
	if f.err == nil {
		f.err = f.to.flush()
	}
	return f.err
}
