package mcp

import (
	"context"
	"sync"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// A reporter passes a call's progress on to a client that asked for it. The
// function that reports never waits for the client: of several reports that were
// not sent yet the last counts.
type reporter struct {
	send func(sdk.ProgressNotificationParams)
	wake chan struct{}
	done chan struct{} // closed when nothing is sent any more

	mu   sync.Mutex
	next *sdk.ProgressNotificationParams // not sent yet; nil: none
	over bool
}

// reportTo returns the reporter of a call; nil if the client wants no reports.
func reportTo(ctx context.Context, req *sdk.CallToolRequest) *reporter {
	token := req.Params.GetProgressToken()
	if token == nil || req.Session == nil {
		return nil
	}
	r := &reporter{wake: make(chan struct{}, 1), done: make(chan struct{})}
	r.send = func(p sdk.ProgressNotificationParams) {
		p.ProgressToken = token
		_ = req.Session.NotifyProgress(ctx, &p) // who is gone need not know
	}
	go r.run() // until end, which waits for it
	return r
}

func (r *reporter) tell(done, total float64, message string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return // a function that was left behind
	}
	r.next = &sdk.ProgressNotificationParams{Progress: done, Total: total, Message: message}
	r.poke()
}

func (r *reporter) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *reporter) run() {
	defer close(r.done)
	for range r.wake {
		r.mu.Lock()
		next, over := r.next, r.over
		r.next = nil
		r.mu.Unlock()
		if next != nil {
			r.send(*next)
		}
		if over {
			return
		}
	}
}

// end sends the last report and returns when it was sent: no report comes after
// the result.
func (r *reporter) end() {
	if r == nil {
		return
	}
	r.mu.Lock()
	r.over = true
	r.poke()
	r.mu.Unlock()
	<-r.done
}
