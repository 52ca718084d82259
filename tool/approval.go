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

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool/internal/gotype"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// NeedsApproval holds each call of the tool back until a person, or a policy of
// the program, has approved it.
func NeedsApproval() Option {
	return func(s *spec) error {
		s.approval = func(context.Context, json.RawMessage) (bool, error) { return true, nil }
		return nil
	}
}

// NeedsApprovalIf is NeedsApproval for the calls that need says true of. In is
// the type of the tool's arguments, a pointer to it, or [json.RawMessage]; of a
// tool of [NewRaw] it may be a struct whose fields are all properties of the
// schema. Any other is an error of the constructor, since a policy about fields
// that are never there would let everything pass. An error or a panic of need,
// arguments that In does not decode, and a name that only its case keeps from
// being that of a field of In, which would be decoded into it, count as true: what
// nobody can judge is not done without being asked for. need has the time that a
// call has, and may be asked about several calls at once.
func NeedsApprovalIf[In any](need func(ctx context.Context, in In) (bool, error)) Option {
	return func(s *spec) error {
		if need == nil {
			return errors.New("the function of NeedsApprovalIf is nil")
		}
		s.judged = reflect.TypeFor[In]()
		names := gotype.ShapeOf(s.judged, map[reflect.Type]*gotype.Shape{})
		s.approval = func(ctx context.Context, args json.RawMessage) (bool, error) {
			if err := names.Match(args); err != nil {
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

// Reconcile is asked about a call that was started and whose end was never
// recorded, when its conversation is resumed: did it happen? It asks the outside
// world, by [Call.Key] for instance. If it did, out is its result, rendered as
// that of the tool's function; if it did not, the call runs again, with the same
// key and a higher [Call.Fence]. With an error, and without Reconcile, the caller
// of the run is asked, unless the tool is [Idempotent].
//
// "It is not there" is final only once the attempt is buried. The process that
// started it may not be dead: it may be stopped, or its request may still be on its
// way, and its effect comes later than the answer. Call.Fence is that of the
// attempt in doubt. Bury it: look for Key and record the pair of Key and Fence in
// one statement, and let the tool refuse to act for a Key whose recorded Fence is
// not below its own. Package sqljournal has an example with both statements. Where
// the outside world cannot record a pair, an answer that the call did not happen is
// a guess; an error, which asks a person, is the honest answer for an effect that
// must not happen twice.
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

// checkJudged refuses a policy about other arguments than the tool's. in is their
// type; nil for a raw tool, whose properties are compared.
func (s *spec) checkJudged(in reflect.Type) error {
	t := s.judged
	switch {
	case t == nil, t == gotype.RawType, in != nil && gotype.Indirect(t) == gotype.Indirect(in):
		return nil
	case in != nil:
		return fmt.Errorf("NeedsApprovalIf judges %s, and the arguments are %s", t, in)
	}
	fields := gotype.ShapeOf(t, map[reflect.Type]*gotype.Shape{})
	if fields == nil || gotype.Indirect(t).Kind() != reflect.Struct {
		return fmt.Errorf("NeedsApprovalIf judges %s; use json.RawMessage or a struct", t)
	}
	known := s.schema.properties()
	for _, name := range slices.Sorted(maps.Keys(fields.Fields)) {
		if !slices.Contains(known, name) {
			return fmt.Errorf("NeedsApprovalIf judges a property %s, and the schema has none", tree.Quote(name))
		}
	}
	return nil
}

// AsksApproval reports whether any call of the tool may need approval.
func (t Tool) AsksApproval() bool { return t.spec != nil && t.spec.approval != nil }

// NeedsApproval reports whether a call with arguments that [Tool.Parse] returned
// must be approved before it runs. An error says why that cannot be told; then it
// is true.
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

var errNoReconcile = errors.New("the tool cannot tell")

// Reconcile asks the tool whether a call happened, and renders its result if it
// did. An error says that it cannot be told.
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
	if err != nil || !happened {
		return nil, false, err
	}
	parts, err = render(c, out, t.spec.maxResult)
	if err != nil {
		return nil, false, fmt.Errorf("its result: %w", err)
	}
	return parts, true, nil
}
