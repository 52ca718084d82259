package mcp

import (
	"context"
	"sync"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// A reporter sends a call's progress to the client, at the client's request. The
// reporting function never waits for the client: a new report replaces a report that
// was not sent yet.
type reporter struct {
	send func(sdk.ProgressNotificationParams)
	wake chan struct{}
	done chan struct{} // closed after the last report

	mu   sync.Mutex
	next *sdk.ProgressNotificationParams // waits to be sent; nil if there is no report
	over bool
}

// newReporter returns the reporter of a call, or nil if the client wants no progress.
func newReporter(ctx context.Context, req *sdk.CallToolRequest) *reporter {
	token := req.Params.GetProgressToken()
	if token == nil || req.Session == nil {
		return nil
	}
	r := &reporter{wake: make(chan struct{}, 1), done: make(chan struct{})}
	r.send = func(p sdk.ProgressNotificationParams) {
		p.ProgressToken = token
		_ = req.Session.NotifyProgress(ctx, &p) // progress is optional
	}
	go r.run() // end waits for it
	return r
}

func (r *reporter) report(done, total float64, message string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return // the call has ended without its function
	}
	r.next = &sdk.ProgressNotificationParams{Progress: done, Total: total, Message: message}
	r.signal()
}

func (r *reporter) signal() {
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

// end sends the last report and waits until the report is sent, so that no report
// follows the result.
func (r *reporter) end() {
	if r == nil {
		return
	}
	r.mu.Lock()
	r.over = true
	r.signal()
	r.mu.Unlock()
	<-r.done
}
