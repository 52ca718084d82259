package llmtest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// A requestLog records the requests that arrive at the script.
type requestLog struct {
	mu   sync.Mutex
	reqs []llm.Request
}

func (l *requestLog) all() []llm.Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.reqs)
}

// logged returns a step that records the request and then answers like s.
func (l *requestLog) logged(s Step) Step {
	return Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		l.mu.Lock()
		l.reqs = append(l.reqs, snapshot(req))
		l.mu.Unlock()
		return s.Response()
	})
}

func (s suite) invalid(t *testing.T) error {
	nobody := newQuestion("hi")
	nobody.ToolChoice = llm.ToolNamed("nobody")
	several := newQuestion("hi")
	several.N = 2
	for name, req := range map[string]*llm.Request{
		"no messages": {Model: "m"}, "a choice of no tool": nobody, "more than one answer": several,
	} {
		var l requestLog
		resp, err := s.newModel(t, l.logged(Text("hi")).Forever()).Generate(t.Context(), req, nil)
		if err == nil || resp != nil {
			return fmt.Errorf("%s: the request was not refused", name)
		}
		if len(l.all()) > 0 {
			return fmt.Errorf("%s: the request was sent", name)
		}
	}
	return nil
}

func (s suite) unchanged(t *testing.T) error {
	for _, stream := range []bool{false, true} {
		req := conversation(3)
		req.Stream = stream
		before := snapshot(req)
		if _, err := generate(t.Context(), s.newModel(t, Text("hi")), req, &sinkRecorder{}); err != nil {
			return err
		}
		if after := snapshot(req); !reflect.DeepEqual(before, after) {
			return fmt.Errorf("the request was changed:\n%s\nis now\n%s", transcript(&before), transcript(&after))
		}
	}
	return nil
}

// conversation returns a request after several turns with two calls each.
func conversation(turns int) *llm.Request {
	req := newQuestion("What is it like?")
	for i := range turns {
		id := func(k int) string { return fmt.Sprintf("call_%d_%d", i, k) }
		req.Messages = append(req.Messages,
			llm.Assistant(fmt.Sprint("Turn ", i), llm.ToolCall{ID: id(0), Name: "f", Arguments: fmt.Sprintf(`{"a": %d}`, i)}, llm.ToolCall{ID: id(1), Name: "g", Arguments: "{}"}),
			llm.Message{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: id(0), Name: "f", Parts: llm.Parts{llm.Text{Text: fmt.Sprint("fine ", i)}}}}},
			llm.Message{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: id(1), Name: "g", Parts: llm.Parts{llm.Text{Text: "<b>22 °C</b>"}}}}},
			llm.User(fmt.Sprint("And then? ", i)))
	}
	return req
}

func (s suite) arrives(t *testing.T) error {
	for _, stream := range []bool{false, true} {
		var l requestLog
		req := conversation(2)
		req.Stream, req.Temperature, req.MaxOutputTokens, req.ToolChoice = stream, new(0.5), 77, llm.ToolRequired
		if _, err := generate(t.Context(), s.newModel(t, l.logged(Text("hi"))), req, &sinkRecorder{}); err != nil {
			return err
		}
		if err := compareRequests(&l, req); err != nil {
			return err
		}
	}
	return nil
}

// memo sends the requests of a run, first with a shared memo, then without.
func (s suite) memo(t *testing.T) error {
	const turns = 3
	var l requestLog
	var steps []Step
	for range 2 * (turns + 1) {
		steps = append(steps, l.logged(Text("hi")))
	}
	m := s.newModel(t, steps...)
	var sent []*llm.Request
	for _, memo := range []*llm.Memo{new(llm.Memo), nil} {
		for n := range turns + 1 {
			req := conversation(n)
			req.Memo, req.Instructions = memo, fmt.Sprint("This is turn ", n)
			if _, err := generate(t.Context(), m, req, &sinkRecorder{}); err != nil {
				return err
			}
			sent = append(sent, req)
		}
	}
	return compareRequests(&l, sent...)
}

// compareRequests compares the sent requests with the arrived requests.
func compareRequests(l *requestLog, sent ...*llm.Request) error {
	got := l.all()
	if len(got) != len(sent) {
		return fmt.Errorf("%s arrived, and %d were sent", clip.Count(len(got), "request"), len(sent))
	}
	for i, req := range sent {
		if want, is := requestText(req), requestText(&got[i]); want != is {
			return fmt.Errorf("request %d arrived as\n%s\nand was sent as\n%s", i+1, is, want)
		}
	}
	return nil
}

// requestText returns the content of a request that must reach every provider. Ids of
// calls are numbered, because clients may send different ids. Schemas are left out,
// because clients may rewrite schemas. Instructions are shown as a system message,
// because many wires have no other form.
func requestText(req *llm.Request) string {
	ids := map[string]string{}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, "  "+format+"\n", args...) }
	line("stream %v", req.Stream)
	if req.Temperature != nil {
		line("temperature %v", *req.Temperature)
	}
	if req.MaxOutputTokens != 0 || req.ToolChoice != "" {
		line("at most %d tokens, tool choice %q", req.MaxOutputTokens, req.ToolChoice)
	}
	for _, t := range req.Tools {
		line("tool %s: %s", t.Name, t.Description)
	}
	if req.Instructions != "" {
		line("system: %q", req.Instructions)
	}
	for _, m := range req.Messages {
		switch m.Role {
		case llm.RoleTool:
			for _, r := range m.Results() {
				line("tool %s: %q", rawjson.NumberOf(ids, r.CallID, "call"), r.Text())
			}
		case llm.RoleSystem, llm.RoleDeveloper:
			line("system: %q", m.Text())
		default:
			line("%s: %q", m.Role, m.Text())
		}
		for _, c := range m.Calls() {
			line("  calls %s(%s) %s", c.Name, c.Arguments, rawjson.NumberOf(ids, c.ID, "call"))
		}
	}
	return b.String()
}
