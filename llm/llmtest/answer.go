package llmtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// An answer is the answer of a step to one request, with all fields filled in.
type answer struct {
	resp        *llm.Response
	pieces      []piece // of a streamed answer
	delay       time.Duration
	fault       Fault
	contentType *string
	done        func() // called when the caller has the whole answer; may be nil
	encrypted   bool   // see wireRequest
}

// respond returns the response of the step to req.
func (s Step) respond(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	switch {
	case s.raw != nil:
		return nil, s.raw.with(s.contentType)
	case s.fault.kind == resetFault && s.fault.after < 0:
		return nil, &resetError{faultError(llm.KindNetwork, &s.fault, errReset())}
	case s.reply == nil:
		return s.Response()
	}
	resp, err := s.reply(ctx, req)
	if err != nil {
		return nil, err
	}
	if resp == nil {
		return nil, errors.New("llmtest: the function given to Reply returned neither a response nor an error")
	}
	if err := checkResponse(resp); err != nil {
		return nil, fmt.Errorf("llmtest: the response of the function given to Reply: %w", err)
	}
	resp = canonical(resp)
	s.adjust(resp)
	return resp, nil
}

// complete fills in the missing fields of resp, which belongs to the script.
func (m *Model) complete(resp *llm.Response, s Step, req *llm.Request, number int) *llm.Response {
	resp.ID = cmp.Or(utf8Text(resp.ID), fmt.Sprintf("chatcmpl-%d", number))
	resp.RequestID = cmp.Or(resp.RequestID, fmt.Sprintf("req_%d", number))
	resp.Model = utf8Text(cmp.Or(resp.Model, req.Model, "scripted"))
	if resp.Finish == (llm.Finish{}) && s.finish == nil {
		resp.Finish = llm.FinishOf(string(defaultFinish(resp.Message)), "")
	}
	if resp.Finish.Reason == "" { // clients infer a missing reason
		resp.Finish.Reason = defaultFinish(resp.Message)
	}
	switch {
	case resp.Usage != (llm.Usage{}) || s.usage != nil:
	case resp.RawUsage != nil:
		resp.Usage = readUsage(resp.RawUsage)
	default:
		resp.Usage = llm.Usage{InputTokens: 10, OutputTokens: 5, TotalTokens: 15}
	}
	m.nameCalls(resp.Message.Parts)
	return resp
}

func (m *Model) nameCalls(parts llm.Parts) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, p := range parts {
		if c, ok := p.(llm.ToolCall); ok && c.ID == "" {
			m.calls++
			c.ID = fmt.Sprintf("call_%d", m.calls)
			parts[i] = c
		}
	}
}

func defaultFinish(m llm.Message) llm.FinishReason {
	if len(m.Calls()) > 0 {
		return llm.FinishToolCalls
	}
	return llm.FinishStop
}

// play gives the answer to a caller in this process: piece by piece for a stream,
// otherwise after the delay. play checks ctx after every piece.
func (a *answer) play(ctx context.Context, stream bool, sink func(llm.Delta)) (*llm.Response, error) {
	fate := a.outcome(stream)
	if !stream {
		if err := wait(ctx, a.delay); err != nil {
			return nil, err
		}
	}
	for _, p := range a.pieces[:fate.pieces] {
		if err := wait(ctx, a.delay); err != nil {
			return nil, err
		}
		if d := p.delta(); d != nil && sink != nil {
			sink(d)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	if fate.event {
		fate.silence = a.delay
	}
	if err := wait(ctx, fate.silence); err != nil || fate.err != nil {
		return nil, cmp.Or(err, fate.err)
	}
	if a.done != nil {
		a.done()
	}
	if !fate.usage {
		a.resp.Usage, a.resp.RawUsage = llm.Usage{}, nil
	}
	return a.resp, nil
}

// reply returns the answer for the wire. Without streaming, reply waits for the delay
// first.
func (a *answer) reply(ctx context.Context, q *wireRequest) (*reply, error) {
	stream := q.request.Stream
	h := http.Header{"X-Request-Id": {a.resp.RequestID}, "Content-Type": {"application/json"}}
	if stream {
		h.Set("Content-Type", "text/event-stream; charset=utf-8")
		h.Set("Cache-Control", "no-cache")
	} else if err := wait(ctx, a.delay); err != nil {
		return nil, err
	}
	setContentType(h, a.contentType)
	setRateLimits(h, a.resp.RateLimits)
	p := &reply{status: http.StatusOK, header: h, done: a.done}
	if q.responses {
		a.encrypted = q.encrypted
		p.frames = a.encodeResponses(stream)
	} else {
		p.frames = a.encode(stream, q.usage)
	}
	a.fault.apply(p, a, q)
	return p, nil
}

func setContentType(h http.Header, value *string) {
	switch {
	case value == nil:
	case *value == "":
		h.Del("Content-Type")
	default:
		h.Set("Content-Type", *value)
	}
}

// wait waits for d, or for ever, or until ctx ends. wait returns the cause of an
// ended ctx.
func wait(ctx context.Context, d time.Duration) error {
	switch {
	case d > 0:
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	case d == forever:
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
