package flow

import (
	"errors"
	"slices"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// calls runs jobs. It returns how the machine goes on: usually with no more than the events,
// or to the end of the run.
func (s *session) calls(ctx workflow.Context, jobs []Job) (next Advance) {
	events := len(s.log)
	for len(jobs) > 0 {
		n := slices.IndexFunc(jobs, func(j Job) bool { return j.Alone })
		switch {
		case n == 0:
			n = 1
		case n < 0:
			n = len(jobs)
		}
		if next.Fatal == nil {
			s.together(ctx, jobs[:n], events, &next)
		} else {
			for _, j := range jobs[:n] {
				next.Unbegun = append(next.Unbegun, j.Call)
			}
		}
		jobs = jobs[n:]
	}
	if next.Fatal == nil && ctx.Err() != nil {
		next.Fatal = Canceled()
	}
	return next
}

// together runs jobs at the same time. The log gets their events as they come.
func (s *session) together(ctx workflow.Context, jobs []Job, events int, next *Advance) {
	running := workflow.NewWaitGroup(ctx)
	for _, j := range jobs {
		running.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			s.call(ctx, j, events, next)
			running.Done() // not deferred: an evicted workflow ends all its goroutines at once
		})
	}
	disconnected, _ := workflow.NewDisconnectedContext(ctx)
	running.Wait(disconnected)
}

// call runs a job. A call that began is never scheduled again here: without a result, the
// machine decides. A call that could not begin waits for a better worker.
func (s *session) call(ctx workflow.Context, j Job, events int, next *Advance) {
	g := s.start.Going
	options := workflow.ActivityOptions{
		TaskQueue: j.Queue, HeartbeatTimeout: s.start.Heartbeat, WaitForCancellation: true,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
		Summary:     j.Tool + " " + j.Call,
	}
	in := Call{Session: s.start.Session, Agent: g.Agent, Events: events, Call: j.Call, Deadline: g.Deadline}
	pause := backoff(g.Dead[j.Call])
	for tries := 1; ; tries++ {
		if pause > 0 {
			if err := workflow.Sleep(ctx, pause); err != nil {
				next.Unbegun = append(next.Unbegun, j.Call)
				return
			}
		}
		var out Called
		err := workflow.ExecuteActivity(s.within(ctx, options, false), CallName, in).Get(ctx, &out)
		switch {
		case err != nil && temporal.IsCanceledError(err): // a running activity ends with its result
			next.Unbegun = append(next.Unbegun, j.Call)
			return
		case isUntaken(err):
			next.Unbegun = append(next.Unbegun, j.Call)
			if next.Fatal == nil {
				next.Fatal = TimeOver(g.Timeout)
			}
			return
		case err != nil:
			s.died(j, err, next)
			return
		case out.Elsewhere != "":
			if pause = backoff(tries); !g.Deadline.IsZero() && workflow.Now(ctx).After(g.Deadline) {
				next.Unbegun, next.Fatal = append(next.Unbegun, j.Call), TimeOver(g.Timeout)
				return
			}
			continue
		}
		s.add(out.Events)
		if next.Fatal == nil {
			next.Fatal = out.Failure
		}
		return
	}
}

// died notes an attempt without a known end.
func (s *session) died(j Job, err error, next *Advance) {
	g := s.start.Going
	if g.Dead == nil {
		g.Dead = map[string]int{}
	}
	g.Dead[j.Call]++
	timeout, ok := errors.AsType[*temporal.TimeoutError](err)
	if ok && timeout.TimeoutType() != enums.TIMEOUT_TYPE_HEARTBEAT && !g.Deadline.IsZero() && next.Fatal == nil {
		next.Fatal = TimeOver(g.Timeout)
	}
}

// isUntaken reports whether no worker took an activity before the end of its time.
func isUntaken(err error) bool {
	timeout, ok := errors.AsType[*temporal.TimeoutError](err)
	return ok && timeout.TimeoutType() == enums.TIMEOUT_TYPE_SCHEDULE_TO_START
}

// backoff returns the pause before an attempt.
func backoff(failed int) time.Duration {
	if failed == 0 {
		return 0
	}
	return min(time.Second<<min(failed-1, 10), time.Minute)
}
