package serve

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

var (
	errStopped  = errors.New("serve: the visitor stopped the run")
	errShutdown = errors.New("serve: the program ends")
	errTaken    = errors.New("serve: a run is going on")
	errFull     = errors.New("serve: too many messages wait")
)

// A conversation is a session in use, by a run or by a request.
type conversation struct {
	chat    *Chat
	name    string
	session *runner.Session // nil with other
	other   Session         // of Config.Open, or nil
	users   int             // guarded by chat.mu

	mu     sync.Mutex
	active *run   // guarded by mu; nil if no run is going on
	queue  []*run // guarded by mu; they begin after the active run
}

// enter returns the conversation of a session. The caller calls leave.
func (c *Chat) enter(name string) *conversation {
	c.mu.Lock()
	defer c.mu.Unlock()
	conv := c.conversations[name]
	if conv == nil {
		conv = &conversation{chat: c, name: name}
		if c.config.Open != nil {
			conv.other = c.config.Open(name)
		} else {
			conv.session = c.config.Runner.Session(name)
		}
		c.conversations[name] = conv
	}
	conv.users++
	return conv
}

func (conv *conversation) leave() {
	conv.chat.mu.Lock()
	defer conv.chat.mu.Unlock()
	if conv.users--; conv.users == 0 {
		delete(conv.chat.conversations, conv.name)
	}
}

// cancel ends the active run, if there is a run. ours is false for a run in a foreign process.
func (conv *conversation) cancel(cause error) (ours bool) {
	r := conv.current()
	if r == nil {
		return true
	}
	r.mu.Lock()
	ours = !r.foreign
	r.mu.Unlock()
	if ours || errors.Is(cause, errShutdown) {
		r.stop(cause)
	}
	return ours
}

func (conv *conversation) current() *run {
	conv.mu.Lock()
	defer conv.mu.Unlock()
	return conv.active
}

// start begins a run, or lets the run wait if queue allows. If a run with the same key is
// going on, start returns the older run.
func (conv *conversation) start(ctx context.Context, queue int, key string, in ...runner.Input) (_ *run, joined bool, _ error) {
	c := conv.chat
	conv.mu.Lock()
	defer conv.mu.Unlock()
	for _, r := range append([]*run{conv.active}, conv.queue...) {
		if r != nil && key != "" && r.key == key {
			return r, true, nil
		}
	}
	switch {
	case conv.active == nil:
	case queue == 0:
		return nil, false, errTaken
	case len(conv.queue) >= queue:
		return nil, false, errFull
	}
	if !c.reserve(conv) {
		return nil, false, errShutdown
	}
	r := newRun(ctx, key, in)
	if r.queued = conv.active != nil; r.queued {
		conv.queue = append(conv.queue, r)
		return r, false, nil
	}
	conv.active = r
	go conv.work(r) // ends with the run and those that wait; Shutdown waits for them
	return r, false, nil
}

// reserve keeps a conversation for a run, unless the chat ends.
func (c *Chat) reserve(conv *conversation) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.down {
		conv.users++
		c.runs.Add(1)
	}
	return !c.down
}

// work does a run, and the runs waiting behind the run.
func (conv *conversation) work(r *run) {
	c := conv.chat
	for r != nil {
		err := errShutdown
		switch {
		case c.drain.Err() != nil:
		case conv.other != nil:
			err = conv.runElsewhere(r)
		default:
			err = conv.run(runner.Drain(r.ctx, c.drain), r)
		}
		r.stop(nil)
		conv.mu.Lock() // a run that begins finds this one over
		r.end(err)
		conv.active = nil
		if len(conv.queue) > 0 {
			conv.active, conv.queue = conv.queue[0], conv.queue[1:]
		}
		r = conv.active
		conv.mu.Unlock()
		conv.leave()
		c.runs.Done()
	}
}

// run runs the session, and adds the events to r.
func (conv *conversation) run(ctx context.Context, r *run) error {
	for watched := false; ; watched = true {
		err := conv.stream(ctx, r, watched)
		busy, ok := errors.AsType[*journal.BusyError](err)
		if !ok && watched { // the foreign process may have ended the run since the last look
			if over, ended := conv.take(r, conv.chat.reader.Read(ctx, conv.name, r.seen())); over {
				return ended
			}
		}
		if !ok || r.fresh {
			conv.log(ctx, err)
			return err
		}
		// A foreign process runs the session, or died.
		if over, err := conv.watch(ctx, r, max(busy.Lease/4, takeOver)); over || err != nil {
			return err
		}
	}
}

// log logs the error of a run that has ended.
func (conv *conversation) log(ctx context.Context, err error) {
	if err != nil && !errors.Is(err, runner.ErrPaused) {
		conv.chat.logger().Log(ctx, levelOf(err), "a run of a chat ended with an error", "session", conv.name, "error", err)
	}
}

func levelOf(err error) slog.Level {
	switch {
	case errors.Is(err, errStopped), errors.Is(err, runner.ErrDrained), errors.Is(err, runner.ErrNoInput):
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// stream runs the session in this process. behind means that a foreign process may have
// recorded events since the last look.
func (conv *conversation) stream(ctx context.Context, r *run, behind bool) error {
	c := conv.chat
	for e, err := range conv.session.Stream(ctx, c.config.Agent, r.in...) {
		if err != nil {
			return err
		}
		if behind {
			behind = false
			for old, err := range c.reader.Read(ctx, conv.name, r.seen()) {
				if err != nil || e.Seq > 0 && old.Seq >= e.Seq {
					break
				}
				r.add(c.public(old))
			}
		}
		if c.hides(e) {
			continue
		}
		r.add(c.public(e))
	}
	return nil
}

// watch adds the events of a run in a foreign process, for some time. over means the end of
// the run.
func (conv *conversation) watch(ctx context.Context, r *run, most time.Duration) (over bool, err error) {
	c := conv.chat
	r.setForeign(true)
	defer r.setForeign(false)
	within, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	defer context.AfterFunc(c.drain, cancel)()
	after := r.seen()
	if after == 0 { // the readers read what was before
		for e, err := range c.reader.Read(ctx, conv.name, 0) {
			if err != nil {
				return false, err
			}
			after = e.Seq
		}
		r.begin(after)
	}
	if over, err := conv.take(r, c.reader.Watch(within, conv.name, after)); over {
		return true, err
	}
	switch {
	case ctx.Err() != nil:
		return true, context.Cause(ctx)
	case c.drain.Err() != nil:
		return true, runner.ErrDrained
	}
	return false, nil
}

// take adds the events of a run in a foreign process. over means the end of the run.
func (conv *conversation) take(r *run, events iter.Seq2[event.Event, error]) (over bool, err error) {
	for e, err := range events {
		if err != nil {
			return false, nil // the session tells what is wrong
		}
		r.add(conv.chat.public(e))
		if over, err := endOf(e); over {
			return true, err
		}
	}
	return false, nil
}

// endOf reports whether a run ends or pauses with an event, and with which error.
func endOf(e event.Event) (over bool, err error) {
	if e.Path == "" {
		switch e.Body.(type) {
		case event.RunFinished:
			return true, nil
		case event.RunPaused:
			return true, runner.ErrPaused
		case event.RunFailed:
			return true, errElsewhere
		}
	}
	return false, nil
}

var errElsewhere = errors.New("serve: the run failed in another process")

// public returns the event for browsers. A message from a browser keeps the id of the browser.
func (c *Chat) public(e event.Event) event.Event {
	out := e.Public(c.redact)
	if said, ok := e.Body.(event.UserMessaged); ok && strings.HasPrefix(said.Key, keyPrefix) {
		body, _ := out.Body.(event.UserMessaged)
		body.Key = said.Key
		out.Body = body
	}
	return out
}
