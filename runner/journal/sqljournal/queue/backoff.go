package queue

import (
	"errors"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// MaxAttempts is the number of attempts after which [Backoff] gives a job up.
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
	if job.Attempt >= MaxAttempts {
		return -1
	}
	grow := func(first, most time.Duration) time.Duration {
		return min(first<<max(job.Attempt-1, 0), most)
	}
	switch kindOf(err) {
	case final:
		return -1
	case person:
		return grow(time.Minute, time.Hour)
	}
	wait := grow(5*time.Second, 10*time.Minute)
	if e, ok := errors.AsType[*llm.APIError](err); ok {
		wait = max(wait, e.RetryAfter)
	}
	return wait
}

type kind int

const (
	passing kind = iota // goes by itself
	person              // somebody must do something
	final
)

func kindOf(err error) kind {
	if e, ok := errors.AsType[*llm.APIError](err); ok {
		switch e.Kind {
		case llm.KindAuth, llm.KindPermission, llm.KindNotFound, llm.KindQuota:
			return person
		case llm.KindInvalidRequest, llm.KindTooLarge, llm.KindContextOverflow, llm.KindContentFilter:
			return final
		}
		return passing
	}
	if _, ok := errors.AsType[*InputError](err); ok {
		return person
	}
	if e, ok := errors.AsType[*runner.LimitError](err); ok {
		if e.Limit == "budget" {
			return person
		}
		return final
	}
	if e, ok := errors.AsType[*runner.FinishError](err); ok && e.Reason != "error" {
		return final
	}
	_, output := errors.AsType[*runner.OutputError](err)
	_, once := errors.AsType[*runner.OnceError](err)
	_, corrupt := errors.AsType[*journal.CorruptError](err)
	_, size := errors.AsType[*journal.SizeError](err)
	if output || once || corrupt || size {
		return final
	}
	return passing
}
