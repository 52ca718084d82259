package queue

import (
	"errors"
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// MaxAttempts is the number of attempts after which [Backoff] gives a job up. A job whose process
// dies in this attempt, or in a later one, is dead without a question to Workers.Retry.
const MaxAttempts = 10

// Backoff is the default of Workers.Retry. The kind of the error decides:
//
//   - An error that no repeat can change is final: a request that the provider can never
//     accept, a context that is too long, a content filter, a [*runner.LimitError] (but for
//     a Budget), a [*runner.FinishError] (but for a failure of the provider), a
//     [*runner.OutputError], a [*runner.OnceError], a damaged session.
//   - Where a person must do something first (a key, a permission, a model, credit, a
//     budget, an input that cannot be read), the waits are 1, 2, 4 … minutes, at most an hour.
//   - After any other error the waits are 5, 10, 20 … seconds, at most 10 minutes, or
//     longer if the provider asks for it.
//
// After MaxAttempts attempts, every error is final.
func Backoff(job Job, err error) time.Duration {
	grow := func(first, most time.Duration) time.Duration {
		return min(first<<max(job.Attempt-1, 0), most)
	}
	e, provider := errors.AsType[*llm.APIError](err)
	switch {
	case job.Attempt >= MaxAttempts, isFinal(err):
		return -1
	case needsPerson(err):
		return grow(time.Minute, time.Hour)
	case provider:
		return max(grow(5*time.Second, 10*time.Minute), e.RetryAfter)
	}
	return grow(5*time.Second, 10*time.Minute)
}

// is reports whether the error has the type E.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// isFinal reports whether no repeat can change the error.
func isFinal(err error) bool {
	if e, ok := errors.AsType[*llm.APIError](err); ok {
		return slices.Contains([]llm.ErrorKind{llm.KindInvalidRequest, llm.KindTooLarge, llm.KindContextOverflow, llm.KindContentFilter}, e.Kind)
	}
	if e, ok := errors.AsType[*runner.LimitError](err); ok {
		return e.Limit != "budget"
	}
	if e, ok := errors.AsType[*runner.FinishError](err); ok {
		return e.Reason != "error"
	}
	return is[*runner.OutputError](err) || is[*runner.OnceError](err) || is[*journal.CorruptError](err) || is[*journal.SizeError](err)
}

// needsPerson reports whether somebody must do something first.
func needsPerson(err error) bool {
	if e, ok := errors.AsType[*llm.APIError](err); ok {
		return slices.Contains([]llm.ErrorKind{llm.KindAuth, llm.KindPermission, llm.KindNotFound, llm.KindQuota}, e.Kind)
	}
	return is[*InputError](err) || is[*runner.LimitError](err)
}
