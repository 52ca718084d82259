package tool

import (
	"fmt"
	"time"
)

// An Option changes how a tool runs.
type Option func(*spec) error

// Timeout sets the time limit of one call of the tool. Without Timeout, the runner's
// default applies. -1 means no limit. The constructor refuses zero and other negative
// values.
func Timeout(d time.Duration) Option {
	return func(s *spec) error {
		if d <= 0 && d != -1 {
			return fmt.Errorf("timeout %v: must be positive, or -1 for no limit", d)
		}
		s.timeout = d
		return nil
	}
}

// Concurrency bounds the calls of the tool that run at the same time, across all runs
// and all copies of the Tool. Without Concurrency, there is no such bound. Waiting for a
// slot does not count towards the timeout. A call inside a call of the same tool needs
// no slot of its own, and an abandoned function frees its slot. The constructor refuses
// n below 1.
func Concurrency(n int) Option {
	return func(s *spec) error {
		if n < 1 {
			return fmt.Errorf("concurrency %d: must be at least 1", n)
		}
		s.slots = make(chan struct{}, n)
		return nil
	}
}

// Polling says that a model may call the tool again with the same arguments and get the
// same result, because the tool waits for a change elsewhere. Such calls are no stall; see
// runner.Limits.
func Polling() Option {
	return func(s *spec) error {
		s.polling = true
		return nil
	}
}

// Final makes a successful result of the tool the answer of the run. The other calls of the
// same answer of the model run, too, and the run then ends without another turn. The result is the
// Text of the run's Result, and its Output if the result is JSON, so that runner.Output
// decodes the result; the Output of the agent is not held against it. After a failed call
// the run goes on. If several tools of a turn are Final, the last result in the order of
// the calls counts.
func Final() Option {
	return func(s *spec) error {
		s.final = true
		return nil
	}
}

// Alone makes each call of the tool run alone in its turn: earlier calls of the turn
// have ended, and later calls have not begun.
func Alone() Option {
	return func(s *spec) error {
		s.alone = true
		return nil
	}
}

// Idempotent declares that a call can run again with the same arguments and the same
// [Call.Key] and has its effect only once. After a restart, a runner repeats such a call
// if its outcome is unknown. A runner repeats any other call only if [Reconcile] reports
// that the call did not happen, or if the caller answers RunAgain.
//
// The repetition can overlap with the first attempt, whose process may be stopped and
// not dead. Therefore the tool must record the key in the same SQL statement (or
// transaction) that makes the effect. A lookup that does not find the key proves nothing:
// the effect can still arrive later, unless the repetition has recorded its [Call.Fence]
// with the key; see [Reconcile].
func Idempotent() Option {
	return func(s *spec) error {
		s.idempotent = true
		return nil
	}
}

// MaxResult bounds the text of one result, in bytes. Without MaxResult, the bound is 256
// KiB, or 16 MiB if the engine keeps long results apart (runner.Runner.PutAside). -1 means no limit, except for 64 MiB of an [io.Reader]. Text beyond the bound is
// dropped, and a last line says how much. The constructor refuses zero and other
// negative values.
func MaxResult(bytes int) Option {
	return func(s *spec) error {
		if bytes <= 0 && bytes != -1 {
			return fmt.Errorf("max result %d: must be positive, or -1 for no limit", bytes)
		}
		s.maxResult = bytes
		return nil
	}
}

// AllowUnchecked accepts a schema of [NewRaw] that cannot be compiled, as some tools of
// other programs have. The arguments may then be any JSON object, and [Tool.Unchecked]
// returns the reason. The model sees the schema without unreadable keywords and
// references, since providers may refuse such a schema. A schema that does not describe
// an object, or has an empty "enum", is still an error.
func AllowUnchecked() Option {
	return func(s *spec) error {
		s.unchecked = true
		return nil
	}
}
