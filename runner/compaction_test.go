package runner_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/compact"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// window is the context of the model of the tests.
const window = 8000

// tokensOf counts the tokens of a request as the model of the tests does: three bytes are a
// token, so the estimate of the runner is too low.
func tokensOf(req *llm.Request) (n int64) {
	n = int64(len(req.Instructions)) / 3
	for _, t := range req.Tools {
		n += int64(len(t.Description)+len(t.Schema)) / 3
	}
	for _, m := range req.Messages {
		n += 4 + int64(len(m.Text()))/3
		for _, c := range m.Calls() {
			n += int64(len(c.Name)+len(c.Arguments)) / 3
		}
		for _, r := range m.Results() {
			n += int64(len(r.Text())) / 3
		}
	}
	return n
}

type pageArgs struct {
	Page int `json:"page"`
}

// A reader reads pages, one in each turn, and at page 5 asks for approval.
type reader struct {
	t       *testing.T
	turns   int
	refused int // requests that exceeded the window
	asked   int // summaries
}

func (r *reader) agent() *agent.Agent {
	read := tool.Must(tool.New("read", "Reads a page.", func(_ context.Context, in pageArgs) (string, error) {
		return fmt.Sprintf("page %d: %s", in.Page, strings.Repeat("lorem ipsum ", 100)), nil
	}, tool.Idempotent()))
	sign := tool.Must(tool.New("sign", "Signs a page.", func(_ context.Context, in pageArgs) (string, error) {
		return fmt.Sprintf("page %d is signed", in.Page), nil
	}, tool.Idempotent(), tool.NeedsApproval()))
	return &agent.Agent{Instructions: "Read all pages.", Tools: []tool.Tool{read, sign}}
}

// answer is the model: it knows the next page by the last call in the request, or by the
// summary.
func (r *reader) answer(_ context.Context, req *llm.Request) (*llm.Response, error) {
	n := tokensOf(req)
	if n > window {
		r.refused++
		return nil, &llm.APIError{Kind: llm.KindContextOverflow, StatusCode: 400, Code: "context_length_exceeded", Message: "This model's maximum context length is 8000 tokens."}
	}
	usage := llm.Usage{InputTokens: n, OutputTokens: 10}
	if strings.HasPrefix(req.Instructions+req.Messages[0].Text(), "You summarize") {
		r.asked++
		return llmtest.Text("Pages were read.").Usage(usage).Response()
	}
	r.check(req)
	page := 0
	for _, m := range req.Messages {
		for _, c := range m.Calls() {
			_, _ = fmt.Sscanf(c.Arguments, `{"page":%d}`, &page)
		}
	}
	if page++; page > r.turns {
		return llmtest.Text("All read.").Usage(usage).Response()
	}
	call := llm.ToolCall{ID: fmt.Sprint("call_", page), Name: "read", Arguments: fmt.Sprintf(`{"page":%d}`, page)}
	if page == 5 {
		call.Name = "sign"
	}
	return llmtest.Parts(call).Usage(usage).Response()
}

// check holds the rules of a history.
func (r *reader) check(req *llm.Request) {
	signed := 0
	for i, m := range req.Messages {
		for k, c := range m.Calls() {
			result := req.Messages[i+1+k].Results()
			require.Len(r.t, result, 1)
			require.Equal(r.t, c.ID, result[0].CallID)
			if c.Name == "sign" {
				signed++
				require.Equal(r.t, "page 5 is signed", result[0].Text())
			}
		}
	}
	first := slices.IndexFunc(req.Messages, func(m llm.Message) bool { return m.Role == llm.RoleUser })
	require.Equal(r.t, "Read all.", req.Messages[first].Text())
	last := req.Messages[len(req.Messages)-1].Results()
	if len(last) == 1 && strings.HasPrefix(last[0].Text(), "page ") {
		var page int
		_, _ = fmt.Sscanf(last[0].Text(), "page %d", &page)
		require.Equal(r.t, page >= 5, signed == 1, "the approved call is still there")
	}
}

func approve(_ context.Context, p runner.Pending) (runner.Input, error) {
	if p.InDoubt {
		return p.RunAgain(), nil
	}
	return p.Approve(), nil
}

var strategies = map[string]compact.Strategy{
	"default": nil, "clear": compact.ClearResults(2), "drop": compact.DropTurns(2),
	"summary": compact.Each(compact.Summarize(nil, 2), compact.Default()),
}

// TestLongRun: 200 turns end in a context of 8,000 tokens. No request exceeds it, splits a
// pair, or loses an approval; over both APIs, streaming and not.
func TestLongRun(t *testing.T) {
	t.Parallel()
	for name, strategy := range strategies {
		if name == "clear" { // the calls alone need more than the context
			continue
		}
		for _, api := range []openai.API{openai.APIChat, openai.APIResponses} {
			for _, noStream := range []bool{false, true} {
				t.Run(fmt.Sprint(name, api, noStream), func(t *testing.T) {
					t.Parallel()
					r := &reader{t: t, turns: 200}
					script := llmtest.NewScript(llmtest.Reply(r.answer).Forever())
					model := openai.Config{HTTPClient: &http.Client{Transport: script}, Key: "k", API: api, BaseURL: "http://server.test/v1", Retry: wrap.Retry{Attempts: 1}}.Model("m")
					run := runner.Runner{MaxTurns: -1, Model: model, NoStream: noStream, Decide: approve, Compact: &compact.Policy{Tokens: 6000, Strategy: strategy}}
					compactions, finished := 0, event.RunFinished{}
					usage := llm.Usage{}
					for e, err := range run.Session("s").Stream(t.Context(), r.agent(), runner.Say(llm.User("Read all."))) {
						require.NoError(t, err)
						switch b := e.Body.(type) {
						case event.Compacted:
							compactions++
							usage = usage.Add(b.Usage)
							require.Less(t, b.After(), b.Before+1)
						case event.ModelAnswered:
							usage = usage.Add(b.Usage)
						case event.RunFinished:
							finished = b
						}
					}
					require.Equal(t, 201, finished.Turns)
					require.Equal(t, usage, finished.Usage, "summaries count")
					require.Zero(t, r.refused)
					require.Greater(t, compactions, 5)
					require.Less(t, compactions, 60)
					if name == "summary" {
						require.Equal(t, compactions, r.asked)
					}
				})
			}
		}
	}
}

// TestLongRunCrashes: the process dies after every event. The session goes on from the
// compacted history, and nobody is asked for a summary again.
func TestLongRunCrashes(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]compact.Policy{
		"default": {Tokens: 6000}, "summary": {Tokens: 6000, Strategy: strategies["summary"]}, "overflow": {Strategy: compact.DropTurns(2)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &reader{t: t, turns: 40}
			run := runner.Runner{MaxTurns: -1, Decide: approve, Journal: new(journal.Memory), Compact: &policy}
			run.Model = llmtest.NewScript(llmtest.Reply(r.answer).Forever())
			whole, err := run.Session("s").Run(t.Context(), r.agent(), runner.Say(llm.User("Read all.")))
			require.NoError(t, err)
			summaries, refused := r.asked, r.refused
			require.Equal(t, name == "overflow", refused > 0)
			step := 1
			if raced {
				step = 7
			}
			for cut := 2; cut < len(whole.Events); cut += step {
				seen := 0
				for _, e := range whole.Events[:cut] {
					if _, ok := e.Body.(event.Compacted); ok {
						seen++
					}
				}
				r.asked, r.refused = 0, 0
				run.Journal = journalOf(t, whole.Events[:cut])
				result, err := run.Session("s").Run(t.Context(), r.agent())
				require.NoError(t, err, "cut after %d", cut)
				require.Equal(t, whole.Messages, result.Messages)
				require.Equal(t, whole.Usage, result.Usage)
				if name == "overflow" {
					require.Equal(t, refused-seen, r.refused)
				}
				if summaries > 0 {
					require.Equal(t, summaries-seen, r.asked)
				}
			}
		})
	}
}

// TestLongRunOfCrashes: in a run of 200 turns, each process dies after its first event, or
// if that is the start of a call, after the end of the call.
func TestLongRunOfCrashes(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"default", "summary"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &reader{t: t, turns: 200}
			if raced {
				r.turns = 40
			}
			run := runner.Runner{MaxTurns: -1, Decide: approve, Compact: &compact.Policy{Tokens: 6000, Strategy: strategies[name]}}
			run.Model = llmtest.NewScript(llmtest.Reply(r.answer).Forever())
			var events []event.Event
			compactions, in := 0, []runner.Input{runner.Say(llm.User("Read all."))}
			for finished := false; !finished; {
				run.Journal = journalOf(t, events)
				before := len(events)
				for e, err := range run.Session("s").Stream(t.Context(), r.agent(), in...) {
					require.NoError(t, err)
					if e.Seq == 0 {
						continue
					}
					events = append(events, e)
					switch e.Body.(type) {
					case event.RunStarted, event.ToolCallStarted, event.InDoubtDecided:
						continue
					case event.Compacted:
						compactions++
					case event.RunFinished:
						finished = true
					}
					break
				}
				in = nil
				require.Greater(t, len(events), before, "each process does something")
				require.Less(t, len(events), 5000)
			}
			require.Zero(t, r.refused)
			require.Positive(t, compactions)
			if name == "summary" {
				require.Equal(t, compactions, r.asked, "nobody is asked twice")
			}
		})
	}
}

// journalOf returns a journal with the events of the session s.
func journalOf(t *testing.T, events []event.Event) *journal.Memory {
	t.Helper()
	memory := new(journal.Memory)
	log, err := memory.Open(t.Context(), "s")
	require.NoError(t, err)
	require.NoError(t, log.Append(t.Context(), true, events...))
	require.NoError(t, log.Close())
	return memory
}

// TestOverflow: the provider refuses a request, and the run goes on with a shorter history.
// The second refusal in a turn ends the run.
func TestOverflow(t *testing.T) {
	t.Parallel()
	overflow := llmtest.Fail(&llm.APIError{Kind: llm.KindContextOverflow, Tokens: 9000})
	page := func(n int) llmtest.Step { return llmtest.Calls("read", pageArgs{n}) }
	for _, stream := range []bool{false, true} {
		for _, tt := range []struct {
			want  string
			steps []llmtest.Step
		}{
			{"", []llmtest.Step{page(1), page(2), overflow, page(3), overflow, llmtest.Text("Read.")}},
			{"context_overflow", []llmtest.Step{page(1), page(2), overflow, overflow}},
			{"the history does not become smaller: 1 messages", []llmtest.Step{overflow}},
		} {
			model := llmtest.Script(t, tt.steps...)
			run := runner.Runner{Model: model, Compact: new(compact.Policy)}
			var err error
			if stream {
				for _, err = range run.Stream(t.Context(), (&reader{}).agent(), llm.User("Read all.")) {
				}
			} else {
				_, err = run.Run(t.Context(), (&reader{}).agent(), llm.User("Read all."))
			}
			if tt.want == "" {
				require.NoError(t, err)
				continue
			}
			require.ErrorContains(t, err, tt.want)
			failed, ok := errors.AsType[*llm.APIError](err)
			require.True(t, ok)
			require.Equal(t, llm.KindContextOverflow, failed.Kind)
		}
	}
}

// TestOverflowOnTheWire: over both APIs, streaming and not, the refusal of a server leads to
// one compaction, and the shorter history is what the server gets.
func TestOverflowOnTheWire(t *testing.T) {
	t.Parallel()
	for _, api := range []openai.API{openai.APIChat, openai.APIResponses} {
		for _, noStream := range []bool{false, true} {
			r := &reader{t: t, turns: 60}
			script := llmtest.NewScript(llmtest.Reply(r.answer).Forever())
			run := runner.Runner{MaxTurns: -1, NoStream: noStream, Decide: approve, Compact: new(compact.Policy)}
			run.Model = openai.Config{HTTPClient: script.Client(), Key: "k", API: api}.Model("m")
			compactions := 0
			for e, err := range run.Session("s").Stream(t.Context(), r.agent(), runner.Say(llm.User("Read all."))) {
				require.NoError(t, err)
				if _, ok := e.Body.(event.Compacted); ok {
					compactions++
				}
			}
			require.Positive(t, compactions)
			require.Equal(t, compactions, r.refused)
		}
	}
}

// TestSummaryIsPaid: the cost of a summary counts for the run and for its Budget.
func TestSummaryIsPaid(t *testing.T) {
	t.Parallel()
	r := &reader{t: t, turns: 40}
	budget := &runner.Budget{Tokens: 1_000_000}
	run := runner.Runner{
		MaxTurns: -1, Decide: approve, Budget: budget, Cost: cents, Model: llmtest.NewScript(llmtest.Reply(r.answer).Forever()),
		Compact: &compact.Policy{Tokens: 6000, Strategy: strategies["summary"]},
	}
	result, err := run.Session("s").Run(t.Context(), r.agent(), runner.Say(llm.User("Read all.")))
	require.NoError(t, err)
	require.Positive(t, r.asked)
	tokens, cost := budget.Used()
	require.Equal(t, result.Usage.InputTokens+result.Usage.OutputTokens, tokens)
	require.InDelta(t, float64(result.Usage.InputTokens)/100, cost, 1e-6)
}

// TestBadStrategies: a strategy that breaks the history, fails or panics ends the run. The
// history stays.
func TestBadStrategies(t *testing.T) {
	t.Parallel()
	planted := errors.New("planted")
	for _, tt := range []struct {
		want     string
		strategy compact.Strategy
	}{
		{"turn 3: compaction: planted", func(context.Context, *compact.History) ([]llm.Message, error) { return nil, planted }},
		{"turn 3: compaction: runner: Compact panicked: planted", func(context.Context, *compact.History) ([]llm.Message, error) { panic(planted) }},
		{"the last message of the user, a system message or an approved call with its result is missing or changed", func(context.Context, *compact.History) ([]llm.Message, error) { return nil, nil }},
		{"has no result directly after it", func(_ context.Context, h *compact.History) ([]llm.Message, error) { return h.Messages[:2], nil }},
		{"message 1 is a result without its call", func(_ context.Context, h *compact.History) ([]llm.Message, error) {
			return slices.Concat(h.Messages[:1], h.Messages[2:]), nil
		}},
		{"summary: planted", func(ctx context.Context, h *compact.History) ([]llm.Message, error) {
			return compact.Summarize(llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) { return nil, planted }), 1)(ctx, h)
		}},
		{"the model returned neither an answer nor an error", compact.Summarize(llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) { return nil, nil }), 1)},
		{"summary: the model wrote no text", compact.Summarize(llmtest.NewScript(llmtest.Text(" ")), 1)},
	} {
		var logged bytes.Buffer
		r := &reader{t: t, turns: 3}
		run := runner.Runner{
			Model: llmtest.NewScript(llmtest.Reply(r.answer).Forever()), Logger: slog.New(slog.NewTextHandler(&logged, nil)),
			Compact: &compact.Policy{Tokens: 700, Strategy: tt.strategy},
		}
		result, err := run.Run(t.Context(), r.agent(), llm.User("Read all."))
		require.ErrorContains(t, err, tt.want)
		require.Len(t, result.Messages, 5)
		require.Equal(t, strings.Contains(tt.want, "panicked"), strings.Contains(logged.String(), "compaction_test.go"), "the stack")
	}
	for _, p := range []compact.Policy{{Tokens: -1}, {Goal: -1}, {Tokens: 5, Goal: 5}} {
		_, err := runner.Runner{Compact: &p}.Run(t.Context(), (&reader{}).agent(), llm.User("Read all."))
		require.Error(t, err)
	}
}

// TestNothingToRemove: a strategy that finds nothing to remove, or makes the history larger,
// does not end the run: the request may fit all the same.
func TestNothingToRemove(t *testing.T) {
	t.Parallel()
	for _, strategy := range []compact.Strategy{
		nil, compact.DropTurns(50),
		func(_ context.Context, h *compact.History) ([]llm.Message, error) {
			return append(slices.Clone(h.Messages), llm.User("a longer story")), nil
		},
	} {
		r := runner.Runner{Compact: &compact.Policy{Tokens: 1_000, Strategy: strategy}, Journal: new(journal.Memory)}
		a := &agent.Agent{Model: llmtest.Script(t, llmtest.Text("Long."), llmtest.Text("Still long."))}
		s := r.Session("s")
		_, err := s.Run(t.Context(), a, runner.Say(llm.User(strings.Repeat("long ", 1_000))))
		require.NoError(t, err)
		result, err := s.Run(t.Context(), a, runner.Say(llm.User("And now?")))
		require.NoError(t, err)
		require.Equal(t, "Still long.", result.Text)
	}
}
