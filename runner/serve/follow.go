package serve

import (
	"context"
	"time"
)

// A writer writes pieces in the words of a protocol.
type writer interface {
	// write takes a piece.
	write(p piece) error
	// flush sends what was written.
	flush() error
	// beat keeps the connection open.
	beat() error
	// fail ends the stream of a run that did not end well. A run that goes on elsewhere breaks
	// the stream off, which is an error.
	fail(err error) error
}

// A follower is a reader of a run.
type follower struct {
	conv  *conversation
	run   *run
	to    writer
	whole bool // tell the message from its begin, and not only the run
	place place

	teller  teller
	told    []piece // of the message, before the first is sent
	loud    bool
	silent  bool // the events are before the first event of the run
	message string
	last    *piece // the end of the run
	err     error
}

// follow sends a run to a page until the run ends or ctx ends.
func (conv *conversation) follow(ctx context.Context, r *run, whole bool, to writer) error {
	f := &follower{conv: conv, run: r, to: to, whole: whole}
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
			f.teller.add(e)
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
		f.silent = !f.whole && e.Seq < b.first
		f.teller.add(c.public(e))
		f.silent = false
		f.place.pass(e)
		if f.err != nil {
			return moved, f.err
		}
	}
	return moved, nil
}

// take gets a piece of the teller.
func (f *follower) take(p piece) {
	switch {
	case p.past, p.kind == aUser, f.silent:
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

// speak sends what was told so far, and from now on all else at once, if it is about the
// message of the run.
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

// finish ends the stream of a run that is over.
func (f *follower) finish(b batch) error {
	f.speak(b.first)
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
