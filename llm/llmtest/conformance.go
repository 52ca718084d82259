package llmtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// TestModel checks that a model keeps the contract of [llm.Model], each rule in a subtest.
// Use TestModel for your own client of a provider, or your own wrapper around other models.
//
// newModel makes the model under test. The given steps answer its requests in order.
// Each subtest calls newModel several times, with steps of every kind, including
// [Reply], [Fail] and steps with a [Fault]. For a wrapper, newModel wraps a script:
//
//	llmtest.TestModel(t, func(t *testing.T, steps ...llmtest.Step) llm.Model {
//		return wrap.Retry{}.Model(llmtest.Script(t, steps...))
//	})
//
// For a client of Chat Completions or the Responses API, newModel makes a client of a
// server:
//
//	llmtest.TestModel(t, func(t *testing.T, steps ...llmtest.Step) llm.Model {
//		return mine.Model{BaseURL: llmtest.Script(t, steps...).Serve().BaseURL}
//	})
//
// For any other client, write a server for its wire. The handler reads a request into an
// [llm.Request], calls Generate of the script with the context of the request, and writes
// the [llm.Response], or the deltas of the sink, or the [*llm.APIError], in the form of
// the provider. The suite sees the requests through Reply and needs nothing else.
//
// If a provider has no form for a part, such as refusals, newModel may call t.Skip with the
// reason; rules about such parts have their own subtests. A model that retries must retry
// soon, or return the error if a provider demands a wait of two hours, as [wrap.Retry] does. Ids and
// RawUsage are not compared.
//
// Run TestModel with the race detector, too: it finds more violations of the rules on
// concurrent use.
func TestModel(t *testing.T, newModel func(t *testing.T, steps ...Step) llm.Model) {
	t.Helper()
	s := suite{newModel: newModel, patience: 10 * time.Second}
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			t.Helper()
			if err := r.check(s, t); err != nil {
				t.Error(err)
			}
		})
	}
}

// A suite has the inputs of every rule.
type suite struct {
	newModel func(t *testing.T, steps ...Step) llm.Model
	patience time.Duration // the longest wait for Generate
}

// A rule is a requirement for models. check returns an error if the model breaks the
// rule. check passes t only to newModel, so that tests can run the rules with broken
// models.
type rule struct {
	name  string
	check func(s suite, t *testing.T) error
}

func rules() []rule {
	all := []rule{
		{"a request that is invalid is not sent", suite.invalid},
		{"a context that has ended sends nothing", suite.endedBefore},
		{"a context that ends while it waits", suite.endedWaiting},
		{"a context that ends at a delta", suite.endedAtDelta},
		{"the sink", suite.sink},
		{"no deltas of an answer that is not streamed", suite.noDeltas},
		{"the request is not changed", suite.unchanged},
		{"the request arrives", suite.arrives},
		{"a history that grows, with a memo", suite.memo},
		{"the response is the caller's", suite.owned},
		{"concurrent use", suite.concurrent},
		{"no goroutine is left", suite.goroutines},
		{"members that nobody modelled", suite.members},
		{"an answer that breaks off", suite.brokenOff},
		{"retry after", suite.retryAfter},
	}
	for _, kind := range []llm.ErrorKind{
		llm.KindAuth, llm.KindPermission, llm.KindNotFound, llm.KindInvalidRequest,
		llm.KindContextOverflow, llm.KindContentFilter, llm.KindQuota,
	} {
		all = append(all, rule{"an error of kind " + string(kind), func(s suite, t *testing.T) error { return s.kind(t, kind) }})
	}
	for _, a := range sampleAnswers() {
		all = append(all, rule{"an answer: " + a.name, func(s suite, t *testing.T) error { return s.answer(t, a.step) }})
	}
	return all
}

// A sample is an answer that every model must return unchanged.
type sample struct {
	name string
	step Step
}

func sampleAnswers() []sample {
	call := Calls("f", `{"city": "Zürich", "n":[1, 2.50]}`)
	return []sample{
		{"text", Text("It is 22 °C <b>&\n\"quoted\" 今天北京的天气是二十二度晴.")},
		{"nothing", Text("")},
		{"a call", call},
		{"calls in their order", Calls("f", `{"a":1}`).And(Calls("g", nil), Calls("f", `{"a":1}`), Calls("f", `{"a":2}`))},
		{"text and a call", Text("Let me see.").And(call)},
		{"arguments that are no JSON", Calls("f", `{"city": Zürich`)},
		{"a call that was cut off", Calls("f", `{"city":"Zü`).Finish("length")},
		{"reasoning", Reasoning("Hm, let me think about it.").And(Text("Yes."))},
		{"reasoning and a call", Reasoning("Hm, let me think about it.").And(call)},
		{"a refusal", Refusal("I will not do that.")},
		{"length", Text("It is").Finish("length")},
		{"content filter", Text("It").Finish("content_filter")},
		{"a call that finishes with stop", call.Finish("stop")},
		{"a finish reason that nobody knows", Text("It is.").Finish("weird")},
		{"usage", Text("Yes.").Usage(llm.Usage{InputTokens: 1200, CachedTokens: 1000, OutputTokens: 34, ReasoningTokens: 30, TotalTokens: 1234})},
		{"no usage", Text("Yes.").Usage(llm.Usage{})},
	}
}

// newQuestion is a request with tools, for samples with calls.
func newQuestion(text string) *llm.Request {
	tool := func(name string) llm.ToolDef {
		return llm.ToolDef{Name: name, Description: "What " + name + " does.", Schema: []byte(`{"type":"object"}`)}
	}
	return &llm.Request{
		Model: "m", Instructions: "You are brief.",
		Messages: []llm.Message{llm.User(text)},
		Tools:    []llm.ToolDef{tool("f"), tool("g")},
	}
}

func streamedQuestion(text string) *llm.Request {
	req := newQuestion(text)
	req.Stream = true
	return req
}

// expect returns an error with both values if want and got differ.
func expect(what string, want, got any) error {
	if w, g := fmt.Sprintf("%#v", want), fmt.Sprintf("%#v", got); w != g {
		return fmt.Errorf("%s: got %s, want %s", what, g, w)
	}
	return nil
}

// within runs f and returns its error, or an error if f does not return in time.
func (s suite) within(what string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		ended := false
		defer func() {
			if !ended { // by a panic, which continues, or by Goexit
				done <- fmt.Errorf("%s: Generate ended the goroutine", what)
			}
		}()
		err := f()
		ended = true
		done <- err
	}()
	timer := time.NewTimer(s.patience)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("%s: Generate did not return within %v", what, s.patience)
	}
}
