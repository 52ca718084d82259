package llmtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// An answer is what a step said to one request, with all that it left open
// filled in.
type answer struct {
	resp  *llm.Response
	delay time.Duration
}

// respond returns what the step says to req.
func (s Step) respond(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	if s.reply == nil {
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

// complete fills in what the step left open. resp is ours.
func (m *Model) complete(resp *llm.Response, s Step, req *llm.Request, number int) *llm.Response {
	resp.ID = cmp.Or(utf8Text(resp.ID), fmt.Sprintf("chatcmpl-%d", number))
	resp.RequestID = cmp.Or(resp.RequestID, fmt.Sprintf("req_%d", number))
	resp.Model = utf8Text(cmp.Or(resp.Model, req.Model, "scripted"))
	if resp.Finish == (llm.Finish{}) && s.finish == nil {
		resp.Finish = llm.FinishOf(string(defaultFinish(resp.Message)), "")
	}
	if resp.Finish.Reason == "" { // a client infers it, while the wire has none
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

// play shows the answer to emit piece by piece if stream, and else waits as
// long as the provider would think. It looks at ctx after every piece.
func (a *answer) play(ctx context.Context, stream bool, emit func(piece) error) error {
	if !stream {
		return wait(ctx, a.delay)
	}
	for _, p := range pieces(a.resp.Message) {
		if err := wait(ctx, a.delay); err != nil {
			return err
		}
		if err := emit(p); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// wait waits for d, or until ctx ends, whose cause it returns then.
func wait(ctx context.Context, d time.Duration) error {
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
