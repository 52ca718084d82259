package openai

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// This file keeps the memory of a Generate for the next one: a generation, its exchange and
// its completion are two kilobytes, and with the functions that hold them eight allocations.
// The rule: only after an answer, only with the transport of this package, which keeps
// nothing of a request, and only if all reports about the connection have come, for one
// connection, the timer is quiet, and nothing can still interrupt a bareConn. After an error, or
// with a client or a trace of the program, the memory is left to the garbage collector.
// TestGenerationsAreClean compares used memory with new memory, field by field.

var generations = sync.Pool{New: func() any { return fresh() }}

func fresh() *generation {
	a := new(generation)
	a.prepare()
	return a
}

func newGeneration(ctx context.Context, c *client) *generation {
	if !c.keepsRequests() || httptrace.ContextClientTrace(ctx) != nil { // which becomes a part of our trace
		return fresh()
	}
	return generations.Get().(*generation)
}

// release gives the memory of an answered request to another request, if nobody else has it.
func (a *generation) release() {
	x := &a.first
	if a.client.keepsRequests() && httptrace.ContextClientTrace(a.ctx) == nil && x.limits.quiet && !x.bare.late && x.conn.isOver() {
		a.clean()
		generations.Put(a)
	}
}

// clean makes a as it was when prepared.
func (a *generation) clean() {
	a.client, a.req, a.model, a.ctx, a.sink, a.shown, a.sent = nil, nil, "", nil, nil, false, nil
	x := &a.first
	a.segments = emptied(x.body)
	x.client, x.hreq, x.body, x.sent, x.small = nil, http.Request{}, nil, bodyReader{}, smallBody{}
	x.route = nil
	x.bare.clean()
	x.timed, x.sized, x.reader, x.gzip = timedReader{}, sizedReader{}, responseReader{}, false
	x.conn.body, x.conn.joins, x.conn.got, x.conn.pooled, x.conn.wrote, x.conn.responded = nil, false, 0, false, time.Time{}, false
	w := &x.limits
	w.caller, w.ctx, w.cancel, w.over, w.ends, w.first, w.stall = nil, nil, nil, nil, nil, 0, 0
	w.timer, w.rings, w.limits, w.stopped, w.quiet = nil, time.Time{}, [3]timeLimit{}, false, false
	x.answer.clean()
}

// maxListed bounds the lists of an answer whose memory is kept.
const maxListed = 16

// clean makes a empty. No Response shares the memory of its lists and maps.
func (a *completion) clean() {
	content, calls := emptied(a.content), a.calls
	list, byIndex, byID := emptied(calls.list), calls.byIndex, calls.byID
	extra, members := a.extra.emptied(), a.members.emptied()
	*a = completion{content: content, extra: extra, members: members}
	if len(byIndex)+len(byID) <= maxListed {
		clear(byIndex)
		clear(byID)
		a.calls.byIndex, a.calls.byID = byIndex, byID
	}
	a.calls.list = list
}

// emptied returns an empty list in the memory of a short list.
func emptied[T any](list []T) []T {
	if cap(list) > maxListed {
		return nil
	}
	clear(list[:cap(list)])
	return list[:0]
}

func (g *memberSet) emptied() memberSet {
	return memberSet{list: emptied(g.list), block: g.block, free: g.block}
}
