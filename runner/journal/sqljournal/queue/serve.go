package queue

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// serve runs a job and notes its new state. If the state cannot be noted, the job is like
// that of a dead process.
func (s *shift) serve(job taken) {
	var unreadable *InputError
	var err error
	switch job.inputs, unreadable, err = s.Queue.inputs(s.ctx, job.Session); {
	case err != nil:
		err = &journal.StoreError{Session: job.Session, Err: err}
	case unreadable != nil:
		err = unreadable
	default:
		err = s.converse(&job)
	}
	wait := s.judge(&job, err)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), lastWords)
	defer cancel()
	if noted := s.leave(ctx, &job, wait); noted != nil {
		s.Logger.Warn("queue: the state of a session was not noted", "session", job.Session, "error", noted)
		job.State, err = Running, noted
	}
	if s.Changed != nil {
		s.Changed(job.Job, err)
	}
}

// errTaken means: meanwhile a second worker has the job, and decides about the state.
var errTaken = errors.New("queue: another worker has taken the session")

// converse continues the session with the inputs that wait, and sets the note and the
// pending calls of the job.
func (s *shift) converse(job *taken) error {
	session, a := s.Runner.Session(job.Session), s.Agent
	if s.AgentOf != nil {
		a = s.AgentOf(job.Job)
	}
	once, err := s.say(job, session)
	if err != nil {
		return err
	}
	decisions := slices.DeleteFunc(slices.Clone(job.inputs), func(i input) bool { return i.call == "" })
	for {
		in := once
		for _, i := range decisions {
			in = append(in, i.in)
		}
		err := s.run(job, session.Stream(s.ctx, a, in...))
		before := len(decisions)
		if unfit, ok := errors.AsType[*runner.DecisionError](err); ok {
			// The session knows the decision, or the decision does not fit the question.
			if oldest := oldestOf(decisions, string(unfit.Call)); oldest >= 0 {
				if unfit.Known { // an earlier process died after the record
					s.Logger.Debug("queue: the session has the decision", "session", job.Session, "error", err)
				} else {
					s.Logger.Warn("queue: a decision or a result is dropped", "session", job.Session, "error", err)
					s.drop(job, decisions[oldest], err)
				}
				decisions = slices.Delete(decisions, oldest, oldest+1)
			}
		}
		if known, ok := errors.AsType[*runner.OnceError](err); ok && known.Failed == "" && len(once) > 0 {
			s.warnDropped(job, job.inputs[0], known)
			once = nil
			continue
		}
		if len(decisions) == before {
			return s.answer(job, session, err)
		}
	}
}

// oldestOf returns the position of the decision about the earliest question of a call, or -1. A
// decision about a later question of the same call, or its result, may fit.
func oldestOf(decisions []input, call string) int {
	oldest := -1
	for i, d := range decisions {
		if d.call == call && (oldest < 0 || d.seq < decisions[oldest].seq) {
			oldest = i
		}
	}
	return oldest
}

// say gives the waiting messages to the session. The first message of a session is an input
// of the run: say returns this input. A later message waits in the session for the next
// turn, because it must not begin a new run before the current run has ended.
func (s *shift) say(job *taken, session *runner.Session) (once []runner.Input, err error) {
	if !job.begun && len(job.inputs) == 1 && job.inputs[0].call == "" {
		return []runner.Input{job.inputs[0].in}, nil
	}
	for _, i := range job.inputs {
		if i.call != "" {
			continue
		}
		err := session.SayInput(s.ctx, i.in)
		if known, ok := errors.AsType[*runner.OnceError](err); ok {
			s.warnDropped(job, i, known)
			continue
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (s *shift) warnDropped(job *taken, i input, err *runner.OnceError) {
	s.Logger.Warn("queue: a message is dropped: the session knows its key with other messages", "session", job.Session, "key", i.key)
	s.drop(job, i, err)
}

func (s *shift) drop(job *taken, i input, err error) {
	if s.Dropped != nil {
		s.Dropped(job.Job, i.in, err)
	}
}

// run consumes the events of a run.
func (s *shift) run(job *taken, events func(func(event.Event, error) bool)) error {
	began := false
	for e, err := range events {
		if err != nil {
			return err
		}
		if !began {
			began, job.Pending = true, nil
			if s.Changed != nil {
				s.Changed(job.Job, nil)
			}
		}
		switch b := e.Body.(type) {
		case event.ModelAnswered:
			job.Note = b.Message.Text()
		case event.RunFinished:
			if b.Stopped {
				job.Note = b.Text + string(b.Output)
			}
		}
		if s.Event != nil {
			s.Event(job.Job, e)
		}
	}
	if !began {
		return runner.ErrNoInput // the run of the message has ended before
	}
	return nil
}

// answer completes the job after its run. If the run ended in an earlier process, which
// died before it updated the row, the session has the answer.
func (s *shift) answer(job *taken, session *runner.Session, err error) error {
	switch {
	case err == nil:
		job.Pending = nil
	case errors.Is(err, runner.ErrPaused):
		pending, perr := session.Pending(s.ctx)
		if perr != nil {
			return perr
		}
		job.Pending = pending
	case errors.Is(err, runner.ErrNoInput):
		messages, merr := session.Messages(s.ctx)
		if merr != nil {
			return merr
		}
		job.Pending = nil
		if n := len(messages); n > 0 && messages[n-1].Role == llm.RoleAssistant {
			job.Note = messages[n-1].Text()
		}
	}
	return err
}

// keepPlace is the wait of a job that keeps its place among the waiting jobs.
const keepPlace = -time.Millisecond

// judge sets the new state of a job by the error of its run, and returns the time until
// the job is due.
func (s *shift) judge(job *taken, err error) (wait time.Duration) {
	switch {
	case err == nil, errors.Is(err, runner.ErrNoInput):
		job.State, job.Attempt, job.begun = Done, 0, true
	case errors.Is(err, runner.ErrPaused):
		job.State, job.Attempt, job.begun = Late, 0, true
		if slices.ContainsFunc(job.Pending, func(p runner.Pending) bool { return !p.Late }) {
			job.State = Paused
		}
	case errors.Is(err, runner.ErrDrained), s.ctx.Err() != nil: // it was told to stop
		job.State, job.Attempt, wait = Waiting, job.Attempt-1, keepPlace
		if job.alone {
			job.State = Suspect
		}
	case isElsewhere(err):
		job.State, job.Attempt, wait = Scheduled, job.Attempt-1, elsewhere
	default:
		job.begun = true
		wait = s.Retry(job.Job, err)
		job.State, job.Note = Scheduled, err.Error()
		if wait < 0 {
			job.State, wait = Dead, 0
		}
		s.Logger.Warn("queue: a run failed", "session", job.Session, "attempt", job.Attempt, "state", job.State, "error", err)
	}
	return wait
}

// isElsewhere reports whether another process has or had the session, or the journal could
// not be written to: the run itself did not fail.
func isElsewhere(err error) bool {
	return !is[*journal.CorruptError](err) && (is[*journal.BusyError](err) || is[*journal.ConflictError](err) || is[*journal.StoreError](err))
}

// leave notes the state of a job.
func (s *shift) leave(ctx context.Context, job *taken, wait time.Duration) error {
	if job.Pending == nil {
		job.Pending = []runner.Pending{}
	}
	pending, err := json.Marshal(job.Pending)
	if err != nil {
		return err
	}
	begun := 0
	if job.begun {
		begun = 1
	}
	q, state, due := s.Queue, job.State, wait.Milliseconds()
	if state == Paused || state == Late {
		due = untilOver(job.Pending)
	}
	err = q.transact(ctx, nil, func(ctx context.Context, tx *sql.Tx) error {
		row := tx.QueryRowContext(ctx, q.sql(leave), job.id, job.claim, job.wakes, state, due, job.Attempt, job.Note, string(pending), begun)
		if err := job.scan(row, nil); err != nil {
			return err
		}
		if state != Done && state != Paused && state != Late { // the next attempt needs the inputs
			return nil
		}
		for _, i := range job.inputs {
			if _, err := tx.ExecContext(ctx, q.sql(dropInput), i.id); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, sql.ErrNoRows) {
		return errTaken
	}
	return err
}

// untilOver returns the milliseconds until the first of the calls no longer waits.
func untilOver(pending []runner.Pending) int64 {
	first := int64(forever)
	for _, p := range pending {
		if !p.Until.IsZero() {
			first = min(first, max(0, time.Until(p.Until).Milliseconds()+1))
		}
	}
	return first
}
