package runnertest

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

var (
	errDied     = errors.New("runnertest: the process is dead")
	errLeaseOut = errors.New("runnertest: the lease has run out: the process stood still")
)

// A World is all that outlives a process: the store of the sessions, and what was done
// outside. EveryCrash makes a World for each trial.
type World struct {
	// Store keeps the sessions: at first a new [journal.Memory]. If the program has a store
	// of its own, set Store before run returns.
	Store journal.Journal

	t      *testing.T
	model  llm.Model
	cast   *cast // of the model
	at     int   // the point of the disturbance, counted from 0; -1: no disturbance
	stands bool  // the process stands still; otherwise it dies

	awake  chan struct{} // closed when the standing process goes on
	awoken bool          // awake is closed

	mu       sync.Mutex
	points   []string // the points that were reached before the disturbance
	effects  []string
	keys     map[string]bool // of effects
	victim   *process        // the disturbed process
	victimAt string
}

func (w *World) prepare(t *testing.T, steps []llmtest.Step) {
	w.t, w.cast = t, &cast{steps: steps, made: map[string][]int{}}
	w.model = llmtest.NewScript(w.cast.script()...)
	w.Store, w.awake, w.keys = new(journal.Memory), make(chan struct{}), map[string]bool{}
}

// end gives back all that a disturbed process has left.
func (w *World) end() {
	if !w.awoken {
		close(w.awake)
	}
	if w.victim != nil {
		w.victim.release()
	}
}

// Effect says that something happens outside of the program that must happen once: a
// payment, a mail, a row of a table. Call Effect in the fake of the outside world. The
// process may die or stand still before and after the effect; Effect does not return in
// a dead process.
//
// key is the idempotency key under which the outside world does things once: Effect
// counts a key once. "" is an outside world without keys. what names the effect, for the
// comparison and for failures. ctx is the context of the Life, or of a tool in one of its
// runs.
func (w *World) Effect(ctx context.Context, key, what string) {
	p, ok := ctx.Value(processKey{}).(*process)
	if !ok || p.world != w {
		w.t.Error("runnertest: the context of an Effect is not from the Life of this World")
		return
	}
	if !p.reach("before the effect " + what) {
		runtime.Goexit()
	}
	w.mu.Lock()
	if key == "" || !w.keys[key] {
		w.keys[key] = true
		w.effects = append(w.effects, what)
	}
	w.mu.Unlock()
	if !p.reach("after the effect " + what) {
		runtime.Goexit()
	}
}

type processKey struct{}

// A process is one start of the program.
type process struct {
	world    *World
	kill     context.CancelCauseFunc
	ended    chan struct{} // closed when Life has returned
	standing chan struct{} // closed when the process stands still
	err      error         // of Life; set before ended is closed

	dead  bool        // guarded by world.mu
	still bool        // guarded by world.mu: it stands still, or stood still
	logs  []*crashLog // guarded by world.mu
}

func (w *World) start(life Life) *process {
	p := &process{world: w, ended: make(chan struct{}), standing: make(chan struct{}), err: errors.New("the program ended its goroutine")}
	ctx, kill := context.WithCancelCause(context.WithValue(w.t.Context(), processKey{}, p))
	p.kill = kill
	ctx, cancel := context.WithTimeout(ctx, crashLife)
	go func() {
		defer close(p.ended)
		defer kill(nil)
		defer cancel()
		p.err = life(ctx, runner.Runner{
			Journal: p.journal(), Model: llm.ModelFunc(p.generate), Logger: slog.New(slog.DiscardHandler),
		})
	}()
	return p
}

func (w *World) isDead(p *process) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return p.dead
}

// reach counts a point, and disturbs the process at the point of the trial. It returns
// false in a dead process.
func (p *process) reach(point string) bool {
	w := p.world
	w.mu.Lock()
	if w.victim == nil && point != "" {
		w.points = append(w.points, point)
		if len(w.points)-1 == w.at {
			w.victim, w.victimAt = p, point
			p.still, p.dead = w.stands, !w.stands
			time.AfterFunc(crashLease, p.release)
			if p.dead {
				p.die()
			} else {
				close(p.standing)
			}
		}
	}
	dead, still := p.dead, p.still
	w.mu.Unlock()
	if still {
		<-w.awake
	}
	return !dead
}

// die ends the contexts of the process. The caller holds world.mu.
func (p *process) die() {
	for _, l := range p.logs {
		l.cancel(errDied)
	}
	p.kill(errDied)
}

// release ends the lease of the process on its sessions.
func (p *process) release() {
	p.world.mu.Lock()
	logs := p.logs
	p.logs = nil
	p.world.mu.Unlock()
	for _, l := range logs {
		l.cancel(errLeaseOut)
		_ = l.log.Close() // its store has no other work
	}
}

func (p *process) generate(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
	if !p.reach("") {
		return nil, errDied
	}
	w := p.world
	step := w.cast.turn(req)
	resp, err := w.model.Generate(ctx, req, sink)
	if err == nil {
		w.cast.note(step, resp.Message)
	}
	return resp, err
}

// A crashJournal is the store, as a process sees it.
type crashJournal struct{ process *process }

// A readableJournal is a crashJournal whose store can be read.
type readableJournal struct {
	crashJournal   // embedded: a store that can be read is a store
	journal.Reader // embedded: a process reads the store as it is
}

// journal returns the store for the Runner of the process.
func (p *process) journal() journal.Journal {
	if reader, ok := p.world.Store.(journal.Reader); ok {
		return readableJournal{crashJournal{p}, reader}
	}
	return crashJournal{p}
}

// Open implements [journal.Journal].
func (j crashJournal) Open(ctx context.Context, session string) (journal.Log, error) {
	p := j.process
	if !p.reach("before opening session " + session) {
		return nil, errDied
	}
	log, err := p.world.Store.Open(ctx, session)
	if err != nil {
		return nil, err
	}
	l := &crashLog{process: p, log: log, session: session}
	l.ctx, l.cancel = context.WithCancelCause(log.Context())
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	p.logs = append(p.logs, l)
	return l, nil
}

// A crashLog is a log; the end of its process ends the log.
type crashLog struct {
	process *process
	log     journal.Log
	session string
	ctx     context.Context // ends with the log; Context hands it out
	cancel  context.CancelCauseFunc
}

// Context implements [journal.Log].
func (l *crashLog) Context() context.Context { return l.ctx }

// Events implements [journal.Log].
func (l *crashLog) Events(ctx context.Context) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		if err := l.check(""); err != nil {
			yield(event.Event{}, err)
			return
		}
		l.log.Events(ctx)(yield)
	}
}

// Append implements [journal.Log].
func (l *crashLog) Append(ctx context.Context, sync bool, events ...event.Event) error {
	if len(events) == 0 {
		if err := l.check(""); err != nil {
			return err
		}
		return l.log.Append(ctx, sync)
	}
	var types []string
	for _, e := range events {
		types = append(types, e.Type())
	}
	name := pointName(l.session, events[0].Seq, types)
	if err := l.check("before " + name); err != nil {
		return err
	}
	if err := l.log.Append(ctx, sync, events...); err != nil {
		return err
	}
	return l.check("after " + name)
}

// check returns the reason why the process cannot use the log.
func (l *crashLog) check(point string) error {
	if !l.process.reach(point) {
		return errDied
	}
	return context.Cause(l.ctx)
}

// Close implements [journal.Log]. A dead process gives nothing back.
func (l *crashLog) Close() error {
	if !l.process.reach("") {
		return nil
	}
	l.cancel(errDied)
	return l.log.Close()
}
