package llmtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
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
	resp = canonical(resp)
	s.adjust(resp)
	return resp, nil
}

// complete fills in what the step left open. resp is ours.
func (m *Model) complete(resp *llm.Response, s Step, req *llm.Request, number int) *llm.Response {
	resp.ID = cmp.Or(resp.ID, fmt.Sprintf("chatcmpl-%d", number))
	resp.RequestID = cmp.Or(resp.RequestID, fmt.Sprintf("req_%d", number))
	resp.Model = cmp.Or(resp.Model, req.Model, "scripted")
	if resp.Finish == (llm.Finish{}) && s.finish == nil {
		resp.Finish = llm.FinishOf(string(defaultFinish(resp.Message)), "")
	}
	if resp.Usage == (llm.Usage{}) && s.usage == nil {
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

// canonical returns a copy of resp whose message is as the wire would hand it
// on: the parts in its order, plain texts in a row joined, the reasoning in a
// member that has a name, the finish reason in our words and in the provider's.
func canonical(resp *llm.Response) *llm.Response {
	out := *resp
	out.Message.Role = llm.RoleAssistant
	out.Message.Parts = nil
	parts := slices.Clone(resp.Message.Parts)
	slices.SortStableFunc(parts, func(a, b llm.Part) int { return cmp.Compare(rank(a), rank(b)) })
	for _, p := range parts {
		out.Message.Parts = appendPart(out.Message.Parts, p)
	}
	switch f := resp.Finish; {
	case f.Reason == "" && f != (llm.Finish{}):
		out.Finish = llm.FinishOf(f.Raw, f.Native)
	case f.Raw == "" && f.Native == "":
		out.Finish.Raw = string(f.Reason)
	}
	return &out
}

// appendPart appends p, or joins it with the last part where the wire does not
// tell the two apart.
func appendPart(parts llm.Parts, p llm.Part) llm.Parts {
	if r, ok := p.(llm.Reasoning); ok {
		r.Field = cmp.Or(r.Field, "reasoning_content")
		p = r
	}
	if n := len(parts); n > 0 {
		if both := joined(parts[n-1], p); both != nil {
			parts[n-1] = both
			return parts
		}
	}
	return append(parts, p)
}

func joined(a, b llm.Part) llm.Part {
	switch b := b.(type) {
	case llm.Text:
		if a, ok := a.(llm.Text); ok && a.Extra == nil && b.Extra == nil {
			return llm.Text{Text: a.Text + b.Text}
		}
	case llm.Reasoning:
		if a, ok := a.(llm.Reasoning); ok && a.Field == b.Field {
			a.Text += b.Text
			return a
		}
	case llm.Refusal:
		if a, ok := a.(llm.Refusal); ok {
			a.Text += b.Text
			return a
		}
	}
	return nil
}

// rank is the place of a part in a message on the wire.
func rank(p llm.Part) int {
	switch p.(type) {
	case llm.Reasoning:
		return 0
	case llm.Refusal:
		return 2
	case llm.Audio:
		return 3
	case llm.ToolCall:
		return 4
	}
	return 1
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
