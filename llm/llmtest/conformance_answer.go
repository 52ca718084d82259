package llmtest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// answer checks that the caller gets the answer of the step: streamed, not streamed,
// and without a sink.
func (s suite) answer(t *testing.T, step Step) error {
	want, err := step.Response()
	if err != nil {
		return err
	}
	if want.Finish == (llm.Finish{}) {
		want.Finish = llm.FinishOf(string(defaultFinish(want.Message)), "")
	}
	if step.usage == nil {
		want.Usage = llm.Usage{InputTokens: 10, OutputTokens: 5, TotalTokens: 15}
	}
	var got []*llm.Response
	for _, way := range []struct {
		name string
		req  *llm.Request
	}{{"not streamed", newQuestion("hi")}, {"streamed", streamedQuestion("hi")}} {
		w := &sinkRecorder{}
		resp, err := generate(t.Context(), s.newModel(t, step), way.req, w)
		if err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
		if err := matches(want, resp, w, way.req.Stream); err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
		got = append(got, resp)
	}
	resp, err := s.newModel(t, step).Generate(t.Context(), streamedQuestion("hi"), nil)
	if err != nil {
		return fmt.Errorf("with a nil sink: %w", err)
	}
	return errors.Join(
		expect("the response, streamed and not", withoutIDs(got[0]), withoutIDs(got[1])),
		expect("the response, with a sink and with nil", withoutIDs(got[1]), withoutIDs(resp)))
}

// matches compares a response with the wanted response and with the recorded deltas.
func matches(want, got *llm.Response, w *sinkRecorder, stream bool) error {
	if got == nil {
		return errors.New("got neither a response nor an error")
	}
	err := errors.Join(
		expect("the role", llm.RoleAssistant, got.Message.Role),
		expect("the text", want.Message.Text(), got.Message.Text()),
		expect("the reasoning", want.Message.Reasoning(), got.Message.Reasoning()),
		expect("the refusal", want.Message.Refusal(), got.Message.Refusal()),
		expect("the calls", callTexts(want.Message.Calls()), callTexts(got.Message.Calls())),
		expect("the finish reason", finishOn(want, got.Finish), got.Finish),
		expect("the usage", want.Usage, got.Usage))
	deltas, wrong := w.recorded()
	if err = errors.Join(wrong, err); err != nil || !stream {
		return err
	}
	text, reasoning, calls, err := joinDeltas(deltas)
	return errors.Join(err,
		expect("the text of the deltas", got.Message.Text(), text),
		expect("the reasoning of the deltas", got.Message.Reasoning(), reasoning),
		expect("the calls of the deltas", callTexts(got.Message.Calls()), callTexts(calls)))
}

// callTexts returns calls as text, without their ids.
func callTexts(calls []llm.ToolCall) []string {
	var out []string
	for _, c := range calls {
		out = append(out, c.Name+"("+canonicalArguments(c.Arguments)+")")
	}
	return out
}

// withoutIDs returns a response without generated values, such as ids.
func withoutIDs(r *llm.Response) llm.Response {
	out := llm.Response{Model: r.Model, Message: llm.Message{Role: r.Message.Role}, Finish: r.Finish, Usage: r.Usage, Extra: r.Extra}
	for _, m := range r.Message.Extra {
		if m.Name != "responses_output" { // it holds ids
			out.Message.Extra = append(out.Message.Extra, m)
		}
	}
	for _, p := range r.Message.Parts {
		if c, ok := p.(llm.ToolCall); ok {
			c.ID = ""
			p = c
		}
		out.Message.Parts = append(out.Message.Parts, p)
	}
	return out
}

func (s suite) sink(t *testing.T) error {
	step := Reasoning("Hm, let me think about it.").And(Text("One, two, three."), Calls("f", `{"a":"one two three"}`))
	w := &sinkRecorder{owner: ownerLabel(t)}
	if _, err := generate(t.Context(), s.newModel(t, step), streamedQuestion("hi"), w); err != nil {
		return err
	}
	const late = 50 * time.Millisecond // those that keep a connection do not end
	poll(late, func() bool { return runningGoroutines(w.owner) == 0 })
	deltas, wrong := w.recorded()
	if wrong == nil && len(deltas) == 0 {
		return errors.New("the sink got no delta of a streamed answer")
	}
	return wrong
}

func (s suite) noDeltas(t *testing.T) error {
	w := &sinkRecorder{}
	if _, err := generate(t.Context(), s.newModel(t, Text("One, two.").And(Calls("f", nil))), newQuestion("hi"), w); err != nil {
		return err
	}
	deltas, wrong := w.recorded()
	for _, d := range deltas {
		switch d.(type) {
		case llm.TextDelta, llm.ReasoningDelta, llm.CallDelta:
			return fmt.Errorf("the sink got %#v, and the request has no Stream", d)
		}
	}
	return wrong
}

func (s suite) members(t *testing.T) error {
	step := Parts(llm.ToolCall{Name: "f", Arguments: "{}", Extra: []llm.Member{{Name: "signature", Value: `"s 1"`}}})
	for _, req := range []*llm.Request{newQuestion("hi"), streamedQuestion("hi")} {
		resp, err := generate(t.Context(), s.newModel(t, step), req, &sinkRecorder{})
		if err != nil {
			return err
		}
		var got []llm.Member
		for _, c := range resp.Message.Calls() {
			got = append(got, c.Extra...)
		}
		if err := expect("the members of a call", []llm.Member{{Name: "signature", Value: `"s 1"`}}, got); err != nil {
			return err
		}
	}
	return nil
}

// finishOn returns the right finish for the wire of got. The Responses API has two
// statuses in place of finish reasons, and calls are visible in the items only.
func finishOn(want *llm.Response, got llm.Finish) llm.Finish {
	switch got.Raw {
	case "completed":
		return llm.Finish{Reason: defaultFinish(want.Message), Raw: got.Raw}
	case "incomplete":
		return llm.Finish{Reason: want.Finish.Reason, Raw: got.Raw, Native: got.Native}
	}
	return want.Finish
}
