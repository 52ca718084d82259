package llmtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// What the author of a client writes whose wire is none of ours: here one of
// JSON documents in a row, that knows no refusals. It is the proof that newModel
// is all that TestModel needs.

// foreignRequest and foreignEvent are what goes over the wire.
type foreignRequest struct {
	System   string         `json:"system"`
	Turns    []llm.Message  `json:"turns"`
	Tools    []llm.ToolDef  `json:"tools"`
	Stream   bool           `json:"stream"`
	Heat     *float64       `json:"heat"`
	Max      int64          `json:"max"`
	CallTool llm.ToolChoice `json:"call_tool"`
}

type foreignEvent struct {
	Say    string         `json:"say,omitempty"`
	Think  string         `json:"think,omitempty"`
	Call   *llm.CallDelta `json:"call,omitempty"`
	Answer *llm.Response  `json:"answer,omitempty"`
	Error  *llm.APIError  `json:"error,omitempty"`
}

// foreign is the client, the model under test.
type foreign struct{ url string }

func (f foreign) Generate(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
	if err := req.Validate(); err != nil {
		return nil, err
	}
	body, err := json.Marshal(foreignRequest{
		System: req.Instructions, Turns: req.Messages, Tools: req.Tools, Stream: req.Stream,
		Heat: req.Temperature, Max: req.MaxOutputTokens, CallTool: req.ToolChoice,
	})
	if err != nil {
		return nil, err
	}
	hreq, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(hreq)
	if err != nil {
		return nil, f.broken(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	for dec := json.NewDecoder(resp.Body); ; {
		var e foreignEvent
		if err := dec.Decode(&e); err != nil {
			return nil, f.broken(ctx, err)
		}
		switch {
		case e.Error != nil:
			return nil, e.Error
		case e.Answer != nil:
			e.Answer.RawUsage, e.Answer.LogProbs = nil, nil
			return e.Answer, nil
		}
		if sink == nil {
			continue
		}
		switch {
		case e.Call != nil:
			sink(*e.Call)
		case e.Think != "":
			sink(llm.ReasoningDelta{Text: e.Think})
		default:
			sink(llm.TextDelta{Text: e.Say})
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}

func (f foreign) broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &llm.APIError{Kind: llm.KindNetwork, Provider: "foreign", Err: err}
}

// foreignServer is the provider, with a script behind it.
func foreignServer(script *llmtest.Model) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		say := func(e foreignEvent) {
			_ = json.NewEncoder(w).Encode(e)
			_ = http.NewResponseController(w).Flush()
		}
		var in foreignRequest
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			say(foreignEvent{Error: &llm.APIError{Kind: llm.KindInvalidRequest, Err: err}})
			return
		}
		_, _ = io.Copy(io.Discard, r.Body) // or the server does not see that the client has gone
		req := &llm.Request{Instructions: in.System, Messages: in.Turns, Tools: in.Tools, Stream: in.Stream}
		req.Temperature, req.MaxOutputTokens, req.ToolChoice = in.Heat, in.Max, in.CallTool
		resp, err := script.Generate(r.Context(), req, func(d llm.Delta) {
			switch d := d.(type) {
			case llm.TextDelta:
				say(foreignEvent{Say: d.Text})
			case llm.ReasoningDelta:
				say(foreignEvent{Think: d.Text})
			case llm.CallDelta:
				say(foreignEvent{Call: &d})
			}
		})
		if api, ok := errors.AsType[*llm.APIError](err); ok {
			say(foreignEvent{Error: api})
		} else if err == nil {
			say(foreignEvent{Answer: resp})
		}
	}
}

func TestConformanceOfAForeignWire(t *testing.T) {
	t.Parallel()
	llmtest.TestModel(t, func(t *testing.T, steps ...llmtest.Step) llm.Model {
		for _, s := range steps {
			if resp, err := s.Response(); err == nil && resp.Message.Refusal() != "" {
				t.Skip("this wire knows no refusals")
			}
		}
		server := httptest.NewServer(foreignServer(llmtest.Script(t, steps...)))
		t.Cleanup(server.Close)
		return foreign{url: server.URL}
	})
}

// A client that forgets something of its wire is found out through it.
func TestConformanceThroughAForeignWire(t *testing.T) {
	t.Parallel()
	found := llmtest.CheckModel(t, 10*time.Second, func(t *testing.T, steps ...llmtest.Step) llm.Model {
		server := httptest.NewServer(foreignServer(llmtest.NewScript(steps...)))
		t.Cleanup(server.Close)
		return llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
			own := *req
			own.Temperature = nil
			return foreign{url: server.URL}.Generate(ctx, &own, sink)
		})
	})
	require.Len(t, found, 1, "%v", found)
	require.Contains(t, found["the request arrives"], "and was sent as\n  stream false\n  temperature 0.5\n")
}
