package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/opening"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// A Session is a conversation over several runs. The Runner's Journal has the events under
// the session's name, and each run begins where the events end, in any process. A session
// has a single run at a time: another run fails with a [*journal.BusyError]. A Session is
// safe for concurrent use.
//
// A Session keeps the conversation in memory between its runs and reads only new events,
// if the journal's log has EventsAfter (see [journal.Log]). Keep the value while the
// conversation is active, and drop the value when the conversation waits for days.
type Session struct {
	runner Runner
	name   string

	mu     sync.Mutex
	opened *opened   // guarded by mu; nil while no run of this value is going on
	last   *snapshot // guarded by mu; nil if not known, or while a run uses the snapshot
}

// A snapshot is the state of a session after its last known event.
type snapshot struct {
	state  *loop.State
	recent []event.Event // see recorder.recent; not empty
	from   int64         // see recorder.from
	saved  int64         // see recorder.saved
}

// A tailReader is a log that can read from a position on.
type tailReader interface {
	EventsAfter(ctx context.Context, after int64) iter.Seq2[event.Event, error]
}

// sameEvent reports whether two events have the same stored form.
func sameEvent(a, b event.Event) bool {
	one, err := a.MarshalJSON()
	if err != nil {
		return false
	}
	other, err := b.MarshalJSON()
	return err == nil && bytes.Equal(one, other)
}

// takeSnapshot takes the snapshot of the session. The run of the caller may change the
// state, so another run must not get the same snapshot.
func (s *Session) takeSnapshot() *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.last
	s.last = nil
	return p
}

// keepSnapshot keeps the state that a run has left, unless a later run was faster. The
// caller no longer uses the recorder.
func (s *Session) keepSnapshot(r *recorder) {
	now := r.handOver()
	if len(now.recent) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil || s.last.state.Seq < now.state.Seq {
		s.last = now
	}
}

// Session returns the session with the given name. Nothing is read or written before the
// first run. Without a Journal, the session lives as long as the value.
func (r Runner) Session(name string) *Session {
	if r.Journal == nil {
		r.Journal = new(journal.Memory)
	}
	return &Session{runner: r, name: name}
}

// An Input is an argument of [Session.Run]. json.Marshal stores an Input, and [ParseInput]
// reads it, also in another process. [Say] begins a new run. An answer to a call in
// [Result.Pending] continues the paused run; after a failed run, the answer begins a new
// run that goes on with the calls of the failed run.
type Input interface{ input() }

type messagesInput []llm.Message

func (messagesInput) input() {}

// Say adds messages to the conversation.
func Say(messages ...llm.Message) Input { return messagesInput(messages) }

// Run runs an agent on the conversation so far and the input, like [Runner.Run]. The
// Messages of the Result are the conversation of the whole session.
//
// With messages and no decision, a new run begins. Tool calls without a result are closed
// first: the model reads that the call did not run, that its outcome is unknown, or that its
// result had not come; a result that comes later is refused. [Session.Say] closes nothing.
//
// Without messages, and with decisions, Run continues a run that was paused or whose process died. After a
// failed run, Run begins a new run that goes on with the conversation and with the calls of
// the failed run. The same rules hold for all of these runs:
//
//   - Recorded results count, and open calls begin.
//   - A call that began and has no recorded end is in doubt. The run repeats the call of
//     its own accord only if the tool is [tool.Idempotent] or reports that nothing
//     happened ([tool.Reconcile]). If Reconcile reports that the effect happened, the
//     result of Reconcile counts. In all other cases the run asks Decide, and pauses if
//     the call stays undecided.
//   - Decisions about calls are inputs, any number at a time. The run continues as far as
//     the decisions allow. If undecided calls are left, the run pauses again, and the
//     error is [ErrPaused].
//   - Results of calls that come later ([tool.Later]) are inputs, too; see [Pending.Result].
//     When the time of such a call is over ([tool.LateWithin]), a run that continues ends the
//     call.
//   - If a decision does not fit, the error is a [*DecisionError], and nothing is recorded.
//   - [Standing.Revoke] is recorded first, and closes nothing. In a session with nothing to
//     continue, Run records the revocation alone.
//   - Messages beside decisions close no call: the decisions count first, the calls run, and
//     the model reads the messages after the results, in the next turn. If the run pauses
//     again, the messages wait.
//   - Messages of [Session.Say] that wait are read in the next turn.
//   - If the session has nothing to continue, the error is [ErrNoInput].
//
// The agent may be a new value, in a new process. The run uses the current definitions of
// the tools.
func (s *Session) Run(ctx context.Context, a *agent.Agent, in ...Input) (*Result, error) {
	e := newEngine(&s.runner, s.name, false)
	e.collect()
	entry, err := s.enter(ctx, e, false)
	if err == nil {
		err = s.open(ctx, e, entry, func(ctx context.Context) error {
			return e.execute(ctx, a, inputOf(in), nil)
		})
	}
	result := e.result()
	s.keepSnapshot(e.recorder)
	return result, err
}

// Stream is like Run and yields every event, under the rules of [Runner.Stream].
func (s *Session) Stream(ctx context.Context, a *agent.Agent, in ...Input) iter.Seq2[event.Event, error] {
	return once(func(yield func(event.Event, error) bool) {
		e := newEngine(&s.runner, s.name, !s.runner.NoStream)
		entry, err := s.enter(ctx, e, false)
		if err == nil {
			err = s.open(ctx, e, entry, func(ctx context.Context) error {
				return e.execute(ctx, a, inputOf(in), func(ev event.Event) bool { return yield(ev, nil) })
			})
		}
		s.keepSnapshot(e.recorder)
		if err != nil && !e.recorder.consumer.left {
			yield(event.Event{}, err)
		}
	})
}

// An input has the messages and decisions at the begin of a run.
type input struct {
	messages    []llm.Message
	decisions   []decision
	late        []lateResult
	revocations []revocation // of standing answers
	once        *onceInput   // nil: none
	key         string       // of the messages; empty: none
	idle        bool         // there are only revocations, and the session has nothing to continue
	answers     bool         // the caller gave decisions or results from outside
	said        []saidInput  // the messages before the check, if a person said some; otherwise nil
	persons     []string     // who said each of the messages; nil: nobody is known
}

func inputOf(all []Input) *input {
	in := new(input)
	for _, i := range all {
		switch i := i.(type) {
		case messagesInput:
			if in.said == nil {
				in.messages = append(in.messages, i...)
			} else {
				in.say("", i)
			}
		case saidInput:
			in.say(i.person, i.messages)
		case onceInput:
			if in.once != nil {
				i.second = true
			}
			in.once = &i
		case decision:
			in.decisions = append(in.decisions, i)
		case lateResult:
			in.late = append(in.late, i)
		case revocation:
			in.revocations = append(in.revocations, i)
		}
	}
	in.answers = len(in.decisions)+len(in.late)+len(in.revocations) > 0
	return in
}

// open calls do with the session's log open and its state in e. The context of do ends
// when this process loses the log. open undoes enter.
func (s *Session) open(ctx context.Context, e *engine, entry *opened, do func(context.Context) error) (err error) {
	defer s.exit(entry)
	e.setLogger(e.baseLogger().With("session", s.name))
	read, stop := opening.Bound(ctx, storeBound)
	defer stop()
	log, err := openLog(read, s.runner.Journal, s.name, func() *slog.Logger { return e.recorder.logger })
	if err != nil {
		return fmt.Errorf("runner: %w", whyStopped(ctx, read, err))
	}
	defer func() {
		e.recorder.end()
		e.recorder.saveState(ctx)
		cerr := log.Close()
		switch {
		case cerr != nil && err != nil:
			err = fmt.Errorf("%w; and closing the session: %w", err, cerr)
		case cerr != nil:
			err = fmt.Errorf("runner: session %q: %w", s.name, cerr)
		}
	}()
	e.recorder.log = log
	opening.Progress(read)
	if err := e.recorder.load(read, s.takeSnapshot()); err != nil {
		return fmt.Errorf("runner: session %q: %w", s.name, whyStopped(ctx, read, err))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(log.Context(), func() { cancel(context.Cause(log.Context())) })()
	return do(ctx)
}

// whyStopped adds the bound on opening to an error whose context the bound ended.
func whyStopped(ctx, bounded context.Context, err error) error {
	cause := context.Cause(bounded)
	if cause == nil || ctx.Err() != nil || errors.Is(err, cause) {
		return err
	}
	return fmt.Errorf("%w: %w", cause, err)
}

// Messages returns the conversation so far. Every provider accepts these messages, as
// with Result.Messages. Messages opens the log of the session, and therefore fails with a
// [*journal.BusyError] during a run; see [Session.State].
func (s *Session) Messages(ctx context.Context) (messages []llm.Message, err error) {
	err = s.look(ctx, func(e *engine) { messages = e.result().Messages })
	return messages, err
}

// Pending returns the calls that wait for a decision or a result from outside: calls of a
// paused run, or calls that a failed run left. Pending opens the log of the session, and therefore fails with a
// [*journal.BusyError] during a run.
func (s *Session) Pending(ctx context.Context) (pending []Pending, err error) {
	err = s.look(ctx, func(e *engine) { pending = pendingCalls(s.name, e.recorder.snapshot()) })
	return pending, err
}

// look calls do with an engine that has the state of the session.
func (s *Session) look(ctx context.Context, do func(*engine)) error {
	e := newEngine(&s.runner, s.name, false)
	entry, err := s.enter(ctx, e, true)
	if err != nil {
		return err
	}
	err = s.open(ctx, e, entry, func(context.Context) error { do(e); return nil })
	s.keepSnapshot(e.recorder)
	return err
}
