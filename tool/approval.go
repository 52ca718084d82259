package tool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"runtime/debug"
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool/internal/gotype"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// NeedsApproval requires an approval for every call of the tool. A call runs only after
// a person, or a policy of the program, has approved the call.
func NeedsApproval() Option {
	return func(s *spec) error {
		s.approval = func(context.Context, json.RawMessage) (bool, error) { return true, nil }
		return nil
	}
}

// NeedsApprovalIf is like [NeedsApproval], but only calls for which need returns true
// require an approval.
//
// In is the type of the tool's arguments, a pointer to that type, or [json.RawMessage].
// For a tool of [NewRaw], In may also be a struct whose fields are all properties of the
// schema. The constructor refuses every other type: a policy about fields that never
// arrive would approve everything.
//
// The call also requires an approval if need returns an error or panics, if In cannot
// decode the arguments, or if the arguments contain a property that matches a field of
// In only case-insensitively (encoding/json would decode the property into that field).
//
// need runs under the timeout of the call. need must be safe for concurrent use.
func NeedsApprovalIf[In any](need func(ctx context.Context, in In) (bool, error)) Option {
	return func(s *spec) error {
		if need == nil {
			return errors.New("the function of NeedsApprovalIf is nil")
		}
		s.approvalType = reflect.TypeFor[In]()
		names := gotype.ShapeOf(s.approvalType, map[reflect.Type]*gotype.Shape{})
		s.approval = func(ctx context.Context, args json.RawMessage) (bool, error) {
			if err := names.CheckJSON(args); err != nil {
				return true, err
			}
			var in In
			if err := decode(args, &in); err != nil {
				return true, err
			}
			return need(ctx, in)
		}
		return nil
	}
}

// ApprovalWithin sets how long a call waits for approval. The time begins when the run asks.
// After it nobody can approve or deny the call: when the run continues, the call ends as a
// failure of the kind [Expired], which is no denial, and the model reads text. If text is
// empty, the model reads that nobody approved the call in time. A message that continues the
// run after the time closes the call instead, as a message closes every open call. Without
// ApprovalWithin, a call waits for ever.
//
// ApprovalWithin asks for no approval itself: use it beside [NeedsApproval]. The constructor
// refuses a time that is not positive.
func ApprovalWithin(d time.Duration, text string) Option {
	return func(s *spec) error {
		if d <= 0 {
			return fmt.Errorf("approval within %v: must be positive", d)
		}
		s.askWithin, s.askText = d, text
		return nil
	}
}

// ApprovalWithin returns the time and the text of the option [ApprovalWithin], or zero.
func (t Tool) ApprovalWithin() (d time.Duration, text string) {
	if t.spec == nil {
		return 0, ""
	}
	return t.spec.askWithin, t.spec.askText
}

// Reconcile adds a function that finds out whether an earlier call happened. A runner
// calls ask when a conversation is resumed, for each call that was started and has no
// recorded end. ask queries the outside world, for example by [Call.Key]. If the call
// happened, out is the result, rendered like a result of the tool's function, or err is
// [Later], and the result comes later. If the
// call did not happen, the call runs again, with the same key and a higher [Call.Fence].
// If ask returns an error, or the tool has no Reconcile, the caller of the run must
// decide, unless the tool is [Idempotent].
//
// A lookup that finds nothing is final only after the earlier attempt has been
// fenced off. The process of the attempt may be stopped and not dead, or a request
// may still be on the way, and the effect then arrives after the lookup. In ask,
// Call.Fence is the fence of the attempt in doubt. To fence off the attempt, ask looks
// for the effect of Key and records the pair of Key and Fence in one statement. The
// tool's function must refuse to act if a Fence equal to or above its own is recorded
// for Key: a late attempt then has no effect, and a repeated call has a higher Fence and
// may act. Package sqljournal has an example with both statements. If the outside world
// cannot record the pair, "not happened" is a guess. If the effect must not happen
// twice, return an error instead of the guess, and a person decides.
func Reconcile[Out any](ask func(ctx context.Context, c Call, args json.RawMessage) (out Out, happened bool, err error)) Option {
	return func(s *spec) error {
		if ask == nil {
			return errors.New("the function of Reconcile is nil")
		}
		if err := checkResult(reflect.TypeFor[Out]()); err != nil {
			return fmt.Errorf("Reconcile: %w", err)
		}
		s.reconcile = func(ctx context.Context, c Call, args json.RawMessage) (any, bool, error) {
			return ask(ctx, c, args)
		}
		return nil
	}
}

// checkApprovalType refuses an approval policy whose type does not match the arguments.
// in is the type of the arguments. Nil stands for a raw tool, whose properties are
// compared.
func (s *spec) checkApprovalType(in reflect.Type) error {
	t := s.approvalType
	switch {
	case t == nil, t == gotype.RawType, in != nil && gotype.Indirect(t) == gotype.Indirect(in):
		return nil
	case in != nil:
		return fmt.Errorf("NeedsApprovalIf takes %s, but the arguments are %s", t, in)
	}
	fields := gotype.ShapeOf(t, map[reflect.Type]*gotype.Shape{})
	if fields == nil || gotype.Indirect(t).Kind() != reflect.Struct {
		return fmt.Errorf("NeedsApprovalIf takes %s; use json.RawMessage or a struct", t)
	}
	known := s.schema.properties()
	for _, name := range slices.Sorted(maps.Keys(fields.Fields)) {
		if !slices.Contains(known, name) {
			return fmt.Errorf("NeedsApprovalIf takes the property %s, which the schema does not declare", tree.Quote(name))
		}
	}
	return nil
}

// AsksApproval reports whether any call of the tool may need approval.
func (t Tool) AsksApproval() bool { return t.spec != nil && t.spec.approval != nil }

// NeedsApproval reports whether a call must be approved before the call runs. args
// are the result of [Tool.Parse]. An error says why the policy could not decide; need
// is true in this case.
func (t Tool) NeedsApproval(ctx context.Context, args json.RawMessage) (need bool, err error) {
	if t.spec == nil || t.spec.approval == nil {
		return false, nil
	}
	defer func() {
		if v := recover(); v != nil {
			need, err = true, panicked(v, debug.Stack())
		}
	}()
	need, err = t.spec.approval(ctx, args)
	return need || err != nil, err
}

var errNoReconcile = errors.New("the tool cannot find out")

// Reconcile asks the tool whether a call happened, and renders the result if so. An
// error says that the tool could not find out, unless it is a [Later]: the call happened.
func (t Tool) Reconcile(ctx context.Context, c Call, args json.RawMessage) (parts llm.Parts, happened bool, err error) {
	if t.spec == nil || t.spec.reconcile == nil {
		return nil, false, errNoReconcile
	}
	defer func() {
		if v := recover(); v != nil {
			parts, happened, err = nil, false, panicked(v, debug.Stack())
		}
	}()
	out, happened, err := t.spec.reconcile(WithCall(ctx, c, nil), c, args)
	if _, later := IsLater(err); later {
		return nil, true, err
	}
	if err != nil || !happened {
		return nil, false, err
	}
	parts, err = render(c, out, t.spec.bound(c))
	if err != nil {
		return nil, false, fmt.Errorf("its result: %w", err)
	}
	return parts, true, nil
}
