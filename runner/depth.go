package runner

import (
	"context"
	"errors"
	"math"
)

// defaultMaxDepth is the bound of an outermost run.
const defaultMaxDepth = 32

// A nesting is the part of a bound on depth that the outer runs left.
type nesting struct {
	left int // levels of nested runs that may still begin
	max  int // the bound
}

type nestingKey struct{}

// A nestingContext is context.WithValue for a nesting, in one allocation.
type nestingContext struct {
	context.Context // embedded: only Value differs
	nesting         nesting
}

// Value implements [context.Context].
func (c *nestingContext) Value(key any) any {
	if _, ok := key.(nestingKey); ok {
		return c
	}
	return c.Context.Value(key)
}

// nest returns the context of a run that begins with ctx. Runs that begin with the
// returned context are nested in this run. The error is a [*LimitError].
func (r *Runner) nest(ctx context.Context) (context.Context, error) {
	outer, nested := ctx.Value(nestingKey{}).(*nestingContext)
	var n nesting
	if nested {
		n = outer.nesting
	}
	switch own := r.MaxDepth; {
	case own > 0 && (!nested || own < n.left):
		n = nesting{left: own, max: own}
	case nested:
	case own < 0:
		n = nesting{left: math.MaxInt}
	default:
		n = nesting{left: defaultMaxDepth, max: defaultMaxDepth}
	}
	if n.left == 0 {
		return nil, &LimitError{Limit: depth, Max: int64(n.max)}
	}
	n.left--
	return &nestingContext{ctx, n}, nil
}

// isTooDeep reports whether err says that a run was nested too deep.
func isTooDeep(err error) bool {
	limit, ok := errors.AsType[*LimitError](err)
	return ok && limit.Limit == depth
}
