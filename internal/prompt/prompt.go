// Package prompt tells which Models return soon after the end of their context.
//
// A Model can be a function of the program, which may ignore the context, or panic. The
// runner therefore calls a Model on a separate goroutine, and leaves the goroutine behind
// when the run must go on. A Model of this repository that promises to be prompt needs no
// such goroutine. The goroutine costs a short run 20 allocations, and a waiting run an eighth
// of the memory.
package prompt

import (
	"context"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A Promise is the parameter of the method Prompt. Programs cannot name the type, so no Model of
// a program promises by accident.
type Promise struct{}

type model interface {
	Prompt(ctx context.Context, _ Promise) bool
}

// Is reports whether m promises for a call of Generate with ctx: that Generate calls no
// function of the program but the sink, and returns soon after the end of ctx.
func Is(ctx context.Context, m llm.Model) bool {
	p, ok := m.(model)
	return ok && p.Prompt(ctx, Promise{})
}
