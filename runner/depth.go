package runner

import (
	"context"
	"errors"
	"math"
)

// defaultMaxDepth is the bound of an outermost run.
const defaultMaxDepth = 32

// A nesting says how many runs may still stand inside one another.
type nesting struct {
	left int // runs that may begin below, each inside the one before
	max  int // the bound that left counts down from
}

type nestingKey struct{}

// nest enters a run into ctx: the runs that begin with the returned context are
// inside of it. The error is a [*LimitError].
func (r Runner) nest(ctx context.Context) (context.Context, error) {
	n, nested := ctx.Value(nestingKey{}).(nesting)
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
	return context.WithValue(ctx, nestingKey{}, n), nil
}

// isTooDeep reports whether err says that a run was nested too deep.
func isTooDeep(err error) bool {
	limit, ok := errors.AsType[*LimitError](err)
	return ok && limit.Limit == depth
}
