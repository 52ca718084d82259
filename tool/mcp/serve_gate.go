package mcp

import (
	"context"
)

// A gate admits a limited number of concurrent calls, or a single call that must run
// alone.
type gate struct {
	entry  chan struct{} // held while entering, so that no call overtakes one that waits to run alone
	inside chan struct{} // a token per running call; a call that runs alone holds all tokens
}

func newGate(n int) *gate {
	return &gate{entry: make(chan struct{}, 1), inside: make(chan struct{}, n)}
}

// enter waits until the call may run. The error is the cause of ctx.
func (g *gate) enter(ctx context.Context, alone bool) (leave func(), err error) {
	if err := acquire(ctx, g.entry); err != nil {
		return nil, err
	}
	defer func() { <-g.entry }()
	want := 1
	if alone {
		want = cap(g.inside)
	}
	for have := range want {
		if err := acquire(ctx, g.inside); err != nil {
			g.leave(have)
			return nil, err
		}
	}
	return func() { g.leave(want) }, nil
}

func (g *gate) leave(tokens int) {
	for range tokens {
		<-g.inside
	}
}

func acquire(ctx context.Context, c chan<- struct{}) error {
	select {
	case c <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
