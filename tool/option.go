package tool

import (
	"fmt"
	"time"
)

// An Option changes how a tool is run.
type Option func(*spec) error

// Timeout is the time that one call of the tool may take. Without it the
// runner's default holds; -1 means no limit. Zero and other negative values are
// an error of the constructor.
func Timeout(d time.Duration) Option {
	return func(s *spec) error {
		if d <= 0 && d != -1 {
			return fmt.Errorf("timeout %v: must be positive, or -1 for no limit", d)
		}
		s.timeout = d
		return nil
	}
}

// Concurrency bounds the calls of the tool that run at the same time, over all
// runs and all copies of the Tool. The time that a call waits is not part of its
// timeout. A call inside a call of the tool needs no slot of its own, and a
// function that was left behind holds none any more. Without it there is no such
// bound. n below 1 is an error of the constructor.
func Concurrency(n int) Option {
	return func(s *spec) error {
		if n < 1 {
			return fmt.Errorf("concurrency %d: must be at least 1", n)
		}
		s.slots = make(chan struct{}, n)
		return nil
	}
}

// Alone makes each call of the tool run alone among the calls of its turn: those
// that the model wrote before it have ended, and those after it have not begun.
func Alone() Option {
	return func(s *spec) error {
		s.alone = true
		return nil
	}
}

// Idempotent says that a call may be run again with the same arguments and the
// same [Call.Key] and has its effect once. Whoever resumes a conversation repeats
// such a call by itself where its outcome is unknown; no other call is ever
// repeated.
//
// The repetition can overlap with the first attempt, whose process may be stopped
// and not dead: what keeps the effect single is the key, in one statement with the
// effect. An effect that the tool did not find under the key can still arrive
// later, unless the repetition has recorded its [Call.Fence] with the key: see
// [Reconcile].
func Idempotent() Option {
	return func(s *spec) error {
		s.idempotent = true
		return nil
	}
}

// MaxResult bounds the text of one result, in bytes; what goes beyond is left
// out, and a line at the end says how much. Without it the bound is 256 KiB; -1
// means no limit but that of 64 MiB for an [io.Reader]. Zero and other negative
// values are an error of the constructor.
func MaxResult(bytes int) Option {
	return func(s *spec) error {
		if bytes <= 0 && bytes != -1 {
			return fmt.Errorf("max result %d: must be positive, or -1 for no limit", bytes)
		}
		s.maxResult = bytes
		return nil
	}
}

// AllowUnchecked keeps a tool of [NewRaw] whose schema cannot be compiled, as
// tools of other programs sometimes have one: its arguments are then held to
// nothing but being a JSON object, and [Tool.Unchecked] says why. The model is shown
// the schema without the keywords and references that cannot be read, since providers
// may refuse them. A schema that is not one of an object, or has an empty "enum", is
// an error nevertheless.
func AllowUnchecked() Option {
	return func(s *spec) error {
		s.unchecked = true
		return nil
	}
}
