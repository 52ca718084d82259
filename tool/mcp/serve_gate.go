package mcp

import "context"

// A gate lets so many calls through at a time, or one that is to be alone.
type gate struct {
	door   chan struct{} // held while entering: who waits to be alone is not overtaken
	inside chan struct{} // a token for each call inside; all of them for one alone
}

func newGate(n int) *gate {
	return &gate{door: make(chan struct{}, 1), inside: make(chan struct{}, n)}
}

// enter waits until a call may run. Its error is the cause of ctx.
func (g *gate) enter(ctx context.Context, alone bool) (leave func(), err error) {
	if err := put(ctx, g.door); err != nil {
		return nil, err
	}
	defer func() { <-g.door }()
	want := 1
	if alone {
		want = cap(g.inside)
	}
	for have := range want {
		if err := put(ctx, g.inside); err != nil {
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

func put(ctx context.Context, c chan<- struct{}) error {
	select {
	case c <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
