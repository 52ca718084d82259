package runnertest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// homemade is somebody's own agent loop over an llm.Model, about as small as one
// can be that does what it should. Its parts are values, so that a test can break
// one of them.
type homemade struct {
	model llm.Model
	tools toolbox

	offer  func() []llm.ToolDef
	ask    func(context.Context, *llm.Request) (*llm.Response, error)
	accept func(*llm.Response) error             // reports an answer that is none
	keep   func(llm.Message) llm.Message         // makes an answer fit for the history
	final  func(llm.Message) bool                // whether it ends the run
	spend  func(sum, more llm.Usage) llm.Usage   // adds up
	runAll func(context.Context, []job) []string // runs the calls of an answer
	call   func(context.Context, job) (string, error)
	tell   func([]llm.Message) []llm.Message // makes messages of results fit for the history

	mu     sync.Mutex
	result runner.Result
}

type toolbox map[string]func(ctx context.Context, arguments json.RawMessage) (string, error)

// job is a call that is to run.
type job struct {
	llm.ToolCall
	ref event.CallRef
}

// newHomemade makes a loop that is sound.
func newHomemade(m llm.Model, tools toolbox) *homemade {
	h := &homemade{model: m, tools: tools}
	h.offer = h.defs
	h.ask = h.askPatiently
	h.accept = whole
	h.keep = readable
	h.final = func(m llm.Message) bool { return len(m.Calls()) == 0 }
	h.spend = llm.Usage.Add
	h.runAll = h.runTogether
	h.call = h.callTool
	h.tell = func(results []llm.Message) []llm.Message { return results }
	return h
}

// run asks and calls until there is an answer.
func (h *homemade) run(ctx context.Context, question string) (*runner.Result, error) {
	h.record(event.RunStarted{Run: 1, Agent: "homemade"})
	messages := []llm.Message{llm.User(question)}
	for turn := 1; ; turn++ {
		resp, err := h.ask(ctx, &llm.Request{Messages: messages, Tools: h.offer(), Stream: true})
		if err != nil {
			return &h.result, err
		}
		h.record(event.ModelAnswered{Turn: turn, Message: resp.Message, Finish: resp.Finish, Usage: resp.Usage})
		h.result.Text, h.result.Usage = resp.Message.Text(), h.spend(h.result.Usage, resp.Usage)
		if err := h.accept(resp); err != nil || h.final(resp.Message) {
			return &h.result, err
		}
		messages = append(messages, h.keep(resp.Message))
		messages = append(messages, h.answer(ctx, turn, resp.Message.Calls())...)
		if ctx.Err() != nil {
			return &h.result, context.Cause(ctx)
		}
	}
}

// answer runs calls and makes messages of what came of them.
func (h *homemade) answer(ctx context.Context, turn int, calls []llm.ToolCall) []llm.Message {
	jobs := make([]job, len(calls))
	for i, c := range calls {
		jobs[i] = job{c, event.NewCallRef(1, turn, i)}
		if json.Valid([]byte(c.Arguments)) {
			h.record(event.ToolCallStarted{Call: jobs[i].ref, ID: c.ID, Name: c.Name, Arguments: c.Arguments})
		}
	}
	var results []llm.Message
	for i, text := range h.runAll(ctx, jobs) {
		results = append(results, resultOf(calls[i], text))
	}
	return h.tell(results)
}

func resultOf(c llm.ToolCall, text string) llm.Message {
	return llm.Message{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: c.ID, Name: c.Name, Parts: llm.Parts{llm.Text{Text: text}}}}}
}

// runTogether runs calls at the same time.
func (h *homemade) runTogether(ctx context.Context, jobs []job) []string {
	texts := make([]string, len(jobs))
	var all sync.WaitGroup
	for i, j := range jobs {
		all.Go(func() { texts[i] = h.run1(ctx, j) })
	}
	all.Wait()
	return texts
}

// run1 runs a call and records it. The model reads of errors, too.
func (h *homemade) run1(ctx context.Context, j job) string {
	finished := event.ToolCallFinished{Call: j.ref, Began: time.Now()}
	text, err := h.call(ctx, j)
	if err != nil {
		text, finished.Failure = err.Error(), string(tool.Failed)
	}
	finished.Result = llm.ToolResult{CallID: j.ID, Name: j.Name, Parts: llm.Parts{llm.Text{Text: text}}}
	h.record(finished)
	return text
}

func (h *homemade) callTool(ctx context.Context, j job) (string, error) {
	if !json.Valid([]byte(j.Arguments)) {
		return "", errors.New("the arguments are no JSON")
	}
	return h.tools[j.Name](ctx, json.RawMessage(j.Arguments))
}

// askPatiently tries again what may pass.
func (h *homemade) askPatiently(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	return wrap.Retry{Restart: true}.Model(h.model).Generate(ctx, req, func(llm.Delta) {})
}

// whole refuses what was cut off or withheld.
func whole(resp *llm.Response) error {
	switch resp.Finish.Reason {
	case llm.FinishStop, llm.FinishToolCalls:
		return nil
	}
	return fmt.Errorf("the answer ended with %q", resp.Finish.Reason)
}

// readable replaces arguments that no provider would take back.
func readable(m llm.Message) llm.Message {
	m.Parts = slices.Clone(m.Parts)
	for i, p := range m.Parts {
		if c, ok := p.(llm.ToolCall); ok && !json.Valid([]byte(c.Arguments)) {
			c.Arguments = "{}"
			m.Parts[i] = c
		}
	}
	return m
}

func (h *homemade) defs() []llm.ToolDef {
	var defs []llm.ToolDef
	for _, name := range slices.Sorted(maps.Keys(h.tools)) {
		defs = append(defs, llm.ToolDef{Name: name, Schema: json.RawMessage(`{"type":"object"}`)})
	}
	return defs
}

func (h *homemade) record(b event.Body) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.result.Events = append(h.result.Events, event.Event{Seq: int64(len(h.result.Events) + 1), Time: time.Now(), Body: b})
}
