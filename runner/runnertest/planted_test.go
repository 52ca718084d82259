package runnertest_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// planted names the mistake that the loop under test is to make, in a process of
// its own.
const planted = "RUNNERTEST_PLANTED"

const twice = `actual  : runnertest_test.till{"refund W1 250 cents", "refund W1 250 cents"}`

// plants are the mistakes: how each is made, and by what the kit finds it.
var plants = []struct {
	name  string
	spoil func(*homemade)
	found []string
}{
	{"drops a result", func(h *homemade) {
		h.tell = func(results []llm.Message) []llm.Message { return results[1:] }
	}, []string{
		"FAIL: TestHomemade/flow",
		`llmtest: request 2 breaks the protocol: messages[2]: a result for "call_2", but the next result must answer the call of look call_1:`,
	}},
	{"drops the last result", func(h *homemade) {
		h.tell = func(results []llm.Message) []llm.Message { return results[:len(results)-1] }
	}, []string{"llmtest: request 2 breaks the protocol: the last message: the call of look call_2 has no result:"}},
	{"answers in the order in which calls end", func(h *homemade) {
		h.tell = func(results []llm.Message) []llm.Message { slices.Reverse(results); return results }
	}, []string{`llmtest: request 2 breaks the protocol: messages[2]: a result for "call_2", but the next result must answer the call of look call_1:`}},
	{"gives each call the result of another", func(h *homemade) {
		together := h.runAll
		h.runAll = func(ctx context.Context, jobs []job) []string {
			texts := together(ctx, jobs)
			slices.Reverse(texts)
			return texts
		}
	}, []string{"FAIL: TestHomemade/flow", "what the model read"}},
	{"answers a call twice", func(h *homemade) {
		h.tell = func(results []llm.Message) []llm.Message { return append(results, results[0]) }
	}, []string{`llmtest: request 2 breaks the protocol: messages[4]: a result for "call_1", but no call waits for a result:`}},
	{"says something between call and result", func(h *homemade) {
		h.tell = func(results []llm.Message) []llm.Message {
			return append([]llm.Message{llm.System("Be brief.")}, results...)
		}
	}, []string{"llmtest: request 2 breaks the protocol: messages[2]: a message of the system, where the result of the call of look call_1 is due:"}},
	{"forgets the conversation", func(h *homemade) {
		ask := h.ask
		h.ask = func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
			req.Messages = req.Messages[len(req.Messages)-1:]
			return ask(ctx, req)
		}
	}, []string{`llmtest: request 2 breaks the protocol: messages[0]: a result for "call_2", but no call waits for a result:`}},
	{"changes what was said", func(h *homemade) {
		ask := h.ask
		h.ask = func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
			resp, err := ask(ctx, req)
			req.Messages[0] = llm.User("(left out)")
			return resp, err
		}
	}, []string{"FAIL: TestHomemade/flow", "a conversation only grows", "(left out)"}},
	{"sends arguments back that are no JSON", func(h *homemade) {
		h.keep = func(m llm.Message) llm.Message { return m }
	}, []string{
		"FAIL: TestHomemade/no_JSON",
		`llmtest: request 2 breaks the protocol: messages[1]: the arguments of the call of look call_1 are not a JSON object: {"order":`,
	}},
	{"invents arguments", func(h *homemade) {
		call := h.call
		h.call = func(ctx context.Context, j job) (string, error) {
			if !json.Valid([]byte(j.Arguments)) {
				j.Arguments = `{"order":"W1"}`
			}
			return call(ctx, j)
		}
	}, []string{"FAIL: TestHomemade/no_JSON", "what was no call has no effect"}},
	{"offers a tool twice", func(h *homemade) {
		h.offer = func() []llm.ToolDef { return append(h.defs(), h.defs()...) }
	}, []string{`llmtest: request 1 breaks the protocol: two tools are named "look":`}},
	{"sends an extra request", func(h *homemade) {
		ask := h.ask
		h.ask = func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
			resp, err := ask(ctx, req)
			if err == nil && len(resp.Message.Calls()) == 0 { // "is that really all?"
				return ask(ctx, req)
			}
			return resp, err
		}
	}, []string{"llmtest: request 4 is beyond the script of 3 steps:"}},
	{"takes text beside calls for the answer", func(h *homemade) {
		h.final = func(m llm.Message) bool { return m.Text() != "" }
	}, []string{"FAIL: TestHomemade/flow", "llmtest: 2 of 3 steps not used:", `step 3: "It was sent on Monday."`}},
	{"ignores the finish reason", func(h *homemade) {
		h.accept = func(*llm.Response) error { return nil }
	}, []string{"FAIL: TestHomemade/cut_off", "llmtest: request 2 is beyond the script of 1 step:", "refund W1 250 cents"}},
	{"swallows an error of the model", func(h *homemade) {
		ask := h.ask
		h.ask = func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
			resp, err := ask(ctx, req)
			if err != nil {
				return &llm.Response{Message: llm.Assistant("Sorry."), Finish: llm.Finish{Reason: llm.FinishStop}}, nil
			}
			return resp, nil
		}
	}, []string{"FAIL: TestHomemade/every_fault/step_1/status_401", "FAIL: TestHomemade/every_fault/step_3/status_400"}},
	{"swallows an error of a tool", func(h *homemade) {
		call := h.call
		h.call = func(ctx context.Context, j job) (string, error) {
			text, _ := call(ctx, j)
			return text, nil
		}
	}, []string{"FAIL: TestHomemade/tool_error", `expected: "failed"`}},
	{"takes half an answer for a whole one", func(h *homemade) {
		h.ask = func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
			var text string
			resp, err := h.model.Generate(ctx, req, func(d llm.Delta) {
				if d, ok := d.(llm.TextDelta); ok {
					text += d.Text
				}
			})
			if err != nil && text != "" {
				return &llm.Response{Message: llm.Assistant(text), Finish: llm.Finish{Reason: llm.FinishStop}}, nil
			}
			return resp, err
		}
	}, []string{"FAIL: TestHomemade/every_fault/step_3/cut_after_1_piece", `actual  : "It "`}},
	{"gives up at once", func(h *homemade) {
		h.ask = func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
			return h.model.Generate(ctx, req, nil)
		}
	}, []string{"FAIL: TestHomemade/every_fault/step_2/status_503", "overloaded"}},
	{"calls again when the model fails", func(h *homemade) {
		var last []job
		together := h.runAll
		h.runAll = func(ctx context.Context, jobs []job) []string { last = jobs; return together(ctx, jobs) }
		h.ask = func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
			resp, err := h.model.Generate(ctx, req, nil)
			if e, ok := errors.AsType[*llm.APIError](err); ok && e.Retryable() {
				together(ctx, last)
				return h.askPatiently(ctx, req)
			}
			return resp, err
		}
	}, []string{"FAIL: TestHomemade/every_fault/step_3/status_503", twice}},
	{"makes a call twice", func(h *homemade) {
		call := h.call
		h.call = func(ctx context.Context, j job) (string, error) {
			_, _ = call(ctx, j)
			return call(ctx, j)
		}
	}, []string{"FAIL: TestHomemade/flow", twice}},
	{"runs calls one after another", func(h *homemade) {
		h.runAll = func(ctx context.Context, jobs []job) (texts []string) {
			for _, j := range jobs {
				texts = append(texts, h.run1(ctx, j))
			}
			return texts
		}
	}, []string{"FAIL: TestHomemade/flow", "the calls of an answer run at the same time"}},
	{"forgets usage", func(h *homemade) {
		h.spend = func(_, more llm.Usage) llm.Usage { return more }
	}, []string{"FAIL: TestHomemade/flow", "InputTokens: (int64) 30"}},
	{"ignores cancellation", func(h *homemade) {
		call := h.call
		h.call = func(ctx context.Context, j job) (string, error) { return call(context.WithoutCancel(ctx), j) }
	}, []string{"FAIL: TestHomemade/cancelled", "expected: 2s", "actual  : 1m0s"}},
	{"waits for a model for ever", func(h *homemade) {
		ask := h.ask
		h.ask = func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
			return ask(context.WithoutCancel(ctx), req)
		}
	}, []string{"FAIL: TestHomemade/silent", "deadlock: all goroutines in bubble are blocked"}},
	{"leaks a goroutine", func(h *homemade) {
		call := h.call
		h.call = func(ctx context.Context, j job) (string, error) {
			never := make(chan bool)
			go func() { <-never }()
			return call(ctx, j)
		}
	}, []string{"FAIL: TestHomemade/flow", "deadlock: main bubble goroutine has exited but blocked goroutines remain", "planted_test.go"}},
}

// TestPlanted: the kit finds each mistake, and says what it is.
func TestPlanted(t *testing.T) {
	t.Parallel()
	for _, p := range plants {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHomemade$")
			cmd.Env = append(os.Environ(), planted+"="+p.name)
			out, err := cmd.CombinedOutput()
			require.Error(t, err)
			for _, text := range p.found {
				require.Contains(t, string(out), text)
			}
		})
	}
}
