// Package river wakes sessions from a job queue that a program has already: River
// (https://riverqueue.com), in the PostgreSQL database of the sessions. A program without a
// queue uses package sqljournal/queue.
//
// Each input of a session is a job. Insert the job in the transaction of your own data:
//
//	wake, err := river.NewWake("invoice-17", runner.Once("begin", llm.User("Pay invoice 17.")))
//	_, err = client.InsertTx(ctx, tx, wake, nil)
//
// # What to know
//
// River has no heartbeat. A job of a dead process is found by its age: after
// river.Config.RescueStuckJobsAfter, and never before its Timeout. So a job works for a
// Slice at most, stops between two turns, and is put back. Set RescueStuckJobsAfter a little
// above Slice and a minute.
//
// The lease of the session decides who works on it. A job that meets the lease of another
// job snoozes. A message with a new key begins a new run: a call of the session that waits
// for a person is then closed. Insert such a message when the session is done.
package river

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/riverqueue/river"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// A Wake is a job: an input of a session.
type Wake struct {
	Session string          `json:"session"`
	Input   json.RawMessage `json:"input"`
}

// Kind implements [river.JobArgs].
func (Wake) Kind() string { return "toolloop_session" }

// NewWake returns the job for an input: a [runner.Once], or a decision.
func NewWake(session string, in runner.Input) (Wake, error) {
	body, err := json.Marshal(in)
	return Wake{session, body}, err
}

// A Worker runs sessions.
type Worker struct {
	river.WorkerDefaults[Wake] // embedded: River wants all methods of a worker

	Runner runner.Runner // with the Journal of the sessions
	Agent  *agent.Agent
	Slice  time.Duration // the longest time of a job
}

// Timeout bounds the context of a job, above Slice, because the calls of a turn come to
// their end.
func (w *Worker) Timeout(*river.Job[Wake]) time.Duration { return w.Slice + time.Minute }

// Work continues the session with the input.
func (w *Worker) Work(ctx context.Context, job *river.Job[Wake]) error {
	in, err := runner.ParseInput(job.Args.Input)
	if err != nil {
		return river.JobCancel(err)
	}
	slice, cancel := context.WithTimeout(ctx, w.Slice)
	defer cancel()
	_, err = w.Runner.Session(job.Args.Session).Run(runner.Drain(ctx, slice), w.Agent, in)
	_, busy := errors.AsType[*journal.BusyError](err)
	_, known := errors.AsType[*runner.DecisionError](err)
	switch {
	case errors.Is(err, runner.ErrPaused), known: // the decision is a job of its own; or the session knows it already
		return nil
	case errors.Is(err, runner.ErrDrained), busy:
		return river.JobSnooze(time.Second)
	}
	return err
}
