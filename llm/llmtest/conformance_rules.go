package llmtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// answer checks that what the step says is what the caller gets, streamed, not
// streamed, and without a sink.
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
	}{{"not streamed", question("hi")}, {"streamed", streamedQuestion("hi")}} {
		w := &watch{}
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
		expect("the response, streamed and not", anonymous(got[0]), anonymous(got[1])),
		expect("the response, with a sink and with nil", anonymous(got[1]), anonymous(resp)))
}

// matches compares what is in a response with what was to be in it, and with
// what the sink saw of it.
func matches(want, got *llm.Response, w *watch, stream bool) error {
	if got == nil {
		return errors.New("got neither a response nor an error")
	}
	err := errors.Join(
		expect("the role", llm.RoleAssistant, got.Message.Role),
		expect("the text", want.Message.Text(), got.Message.Text()),
		expect("the reasoning", want.Message.Reasoning(), got.Message.Reasoning()),
		expect("the refusal", want.Message.Refusal(), got.Message.Refusal()),
		expect("the calls", spoken(want.Message.Calls()), spoken(got.Message.Calls())),
		expect("the finish reason", finishOn(want, got.Finish), got.Finish),
		expect("the usage", want.Usage, got.Usage))
	deltas, wrong := w.seen()
	if err = errors.Join(wrong, err); err != nil || !stream {
		return err
	}
	text, reasoning, calls, err := fold(deltas)
	return errors.Join(err,
		expect("the text of the deltas", got.Message.Text(), text),
		expect("the reasoning of the deltas", got.Message.Reasoning(), reasoning),
		expect("the calls of the deltas", spoken(got.Message.Calls()), spoken(calls)))
}

// spoken shows calls without their ids.
func spoken(calls []llm.ToolCall) []string {
	var out []string
	for _, c := range calls {
		out = append(out, c.Name+"("+canonicalArguments(c.Arguments)+")")
	}
	return out
}

// anonymous shows a response without what a provider makes up.
func anonymous(r *llm.Response) llm.Response {
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
	w := &watch{owner: owner(t)}
	if _, err := generate(t.Context(), s.newModel(t, step), streamedQuestion("hi"), w); err != nil {
		return err
	}
	const late = 50 * time.Millisecond // those that keep a connection do not end
	settle(late, func() bool { return started(w.owner) == 0 })
	deltas, wrong := w.seen()
	if wrong == nil && len(deltas) == 0 {
		return errors.New("the sink got no delta of a streamed answer")
	}
	return wrong
}

func (s suite) noDeltas(t *testing.T) error {
	w := &watch{}
	if _, err := generate(t.Context(), s.newModel(t, Text("One, two.").And(Calls("f", nil))), question("hi"), w); err != nil {
		return err
	}
	deltas, wrong := w.seen()
	for _, d := range deltas {
		switch d.(type) {
		case llm.TextDelta, llm.ReasoningDelta, llm.CallDelta:
			return fmt.Errorf("the sink got %#v, and the request has no Stream", d)
		}
	}
	return wrong
}

// A ledger keeps what arrived at the script.
type ledger struct {
	mu   sync.Mutex
	reqs []llm.Request
}

func (l *ledger) all() []llm.Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.reqs)
}

// enter is a step that enters the request and then says what s says.
func (l *ledger) enter(s Step) Step {
	return Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		l.mu.Lock()
		l.reqs = append(l.reqs, snapshot(req))
		l.mu.Unlock()
		return s.Response()
	})
}

func (s suite) invalid(t *testing.T) error {
	nobody := question("hi")
	nobody.ToolChoice = llm.ToolNamed("nobody")
	several := question("hi")
	several.N = 2
	for name, req := range map[string]*llm.Request{
		"no messages": {Model: "m"}, "a choice of no tool": nobody, "more than one answer": several,
	} {
		var l ledger
		resp, err := s.newModel(t, l.enter(Text("hi")).Forever()).Generate(t.Context(), req, nil)
		if err == nil || resp != nil {
			return fmt.Errorf("%s: the request was not refused", name)
		}
		if len(l.all()) > 0 {
			return fmt.Errorf("%s: the request was sent", name)
		}
	}
	return nil
}

func (s suite) endedBefore(t *testing.T) error {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errGivenUp)
	var l ledger
	w := &watch{}
	resp, err := generate(ctx, s.newModel(t, l.enter(Text("One, two.")).Forever()), streamedQuestion("hi"), w)
	if err := gaveUp(ctx, resp, err); err != nil {
		return err
	}
	if len(l.all()) > 0 {
		return errors.New("the request was sent although ctx had ended")
	}
	if deltas, _ := w.seen(); len(deltas) > 0 {
		return fmt.Errorf("the sink got %#v although ctx had ended", deltas[0])
	}
	return nil
}

func (s suite) endedWaiting(t *testing.T) error {
	for _, req := range []*llm.Request{question("hi"), streamedQuestion("hi")} {
		ctx, cancel := context.WithCancelCause(t.Context())
		release := make(chan struct{})
		m := s.newModel(t, Reply(func(ctx context.Context, _ *llm.Request) (*llm.Response, error) {
			cancel(errGivenUp)
			select {
			case <-ctx.Done():
			case <-release:
			}
			return nil, &llm.APIError{Kind: llm.KindServer, Retries: -1, Message: "too late"}
		}).Forever())
		err := s.within("ctx had ended", func() error {
			w := &watch{}
			resp, err := generate(ctx, m, req, w)
			return gaveUp(ctx, resp, err)
		})
		close(release)
		cancel(nil)
		if err != nil {
			return err
		}
	}
	return nil
}

func (s suite) endedAtDelta(t *testing.T) error {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	w := &watch{onDelta: func(llm.Delta) { cancel(errGivenUp) }}
	m := s.newModel(t, Text("One, two, three, four, five, six.").And(Calls("f", `{"a":"one two three"}`)))
	if err := s.within("ctx had ended", func() error {
		resp, err := generate(ctx, m, streamedQuestion("hi"), w)
		return gaveUp(ctx, resp, err)
	}); err != nil {
		return err
	}
	deltas, wrong := w.seen()
	if wrong == nil && len(deltas) > 1 {
		return fmt.Errorf("the sink got %#v after ctx had ended", deltas[1])
	}
	return wrong
}

func (s suite) kind(t *testing.T, kind llm.ErrorKind) error {
	for _, req := range []*llm.Request{question("hi"), streamedQuestion("hi")} {
		_, err := s.failure(t, req, &llm.APIError{Kind: kind})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s suite) failure(t *testing.T, req *llm.Request, want *llm.APIError) (*llm.APIError, error) {
	m := s.newModel(t, Fail(want).Forever())
	var api *llm.APIError
	err := s.within("the provider failed", func() error {
		resp, err := generate(t.Context(), m, req, &watch{})
		got, ok := errors.AsType[*llm.APIError](err)
		switch api = got; {
		case resp != nil:
			return errors.New("got a response, and the provider failed")
		case !ok:
			return fmt.Errorf("got the error %w (%T), want an *llm.APIError", err, err)
		case got.Kind != want.Kind:
			return fmt.Errorf("got an error of kind %q, want %q: %w", got.Kind, want.Kind, err)
		}
		return nil
	})
	return api, err
}

// brokenOff lets a model choose: it reports an answer that broke off, or begins
// again and says so.
func (s suite) brokenOff(t *testing.T) error {
	const whole = "One, two, three, four."
	w := &watch{}
	m := s.newModel(t, Text(whole).With(Cut(2)), Text(whole).Forever())
	return s.within("the answer broke off", func() error {
		resp, err := generate(t.Context(), m, streamedQuestion("hi"), w)
		if err != nil {
			api, ok := errors.AsType[*llm.APIError](err)
			if resp != nil || !ok || !api.Retryable() {
				return fmt.Errorf("got %v and the error %w (%T), want an *llm.APIError that is retryable", resp, err, err)
			}
			return nil
		}
		deltas, wrong := w.seen()
		shown, _, _, err := fold(deltas)
		return errors.Join(wrong, err,
			expect("the text after an answer that broke off", whole, resp.Message.Text()),
			expect("the text of the deltas after an answer that broke off", whole, shown))
	})
}

func (s suite) retryAfter(t *testing.T) error {
	got, err := s.failure(t, question("hi"), &llm.APIError{Kind: llm.KindRateLimit, RetryAfter: 2 * time.Hour})
	if err != nil {
		return err
	}
	if !got.Retryable() {
		return errors.New("a rate limit is retryable, and the error says that it is not")
	}
	return expect("RetryAfter", 2*time.Hour, got.RetryAfter)
}

func (s suite) unchanged(t *testing.T) error {
	for _, stream := range []bool{false, true} {
		req := history(3)
		req.Stream = stream
		before := snapshot(req)
		if _, err := generate(t.Context(), s.newModel(t, Text("hi")), req, &watch{}); err != nil {
			return err
		}
		if after := snapshot(req); !reflect.DeepEqual(before, after) {
			return fmt.Errorf("the request was changed:\n%s\nis now\n%s", transcript(&before), transcript(&after))
		}
	}
	return nil
}

// history is a conversation of so many turns, each with two calls.
func history(turns int) *llm.Request {
	req := question("What is it like?")
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
		var l ledger
		req := history(2)
		req.Stream, req.Temperature, req.MaxOutputTokens, req.ToolChoice = stream, new(0.5), 77, llm.ToolRequired
		if _, err := generate(t.Context(), s.newModel(t, l.enter(Text("hi"))), req, &watch{}); err != nil {
			return err
		}
		if err := arrived(&l, req); err != nil {
			return err
		}
	}
	return nil
}

// memo asks what a run asks, with one memo and then again without.
func (s suite) memo(t *testing.T) error {
	const turns = 3
	var l ledger
	var steps []Step
	for range 2 * (turns + 1) {
		steps = append(steps, l.enter(Text("hi")))
	}
	m := s.newModel(t, steps...)
	var sent []*llm.Request
	for _, memo := range []*llm.Memo{new(llm.Memo), nil} {
		for n := range turns + 1 {
			req := history(n)
			req.Memo, req.Instructions = memo, fmt.Sprint("This is turn ", n)
			if _, err := generate(t.Context(), m, req, &watch{}); err != nil {
				return err
			}
			sent = append(sent, req)
		}
	}
	return arrived(&l, sent...)
}

// arrived compares requests with what the provider read.
func arrived(l *ledger, sent ...*llm.Request) error {
	got := l.all()
	if len(got) != len(sent) {
		return fmt.Errorf("%s arrived, and %d were sent", clip.Count(len(got), "request"), len(sent))
	}
	for i, req := range sent {
		if want, is := heard(req), heard(&got[i]); want != is {
			return fmt.Errorf("request %d arrived as\n%s\nand was sent as\n%s", i+1, is, want)
		}
	}
	return nil
}

// heard shows what of a request every provider must read. Ids of calls are
// numbered: a client may send its own. Schemas are left out: it may rewrite them.
// Instructions are a system message on many a wire.
func heard(req *llm.Request) string {
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

func (s suite) owned(t *testing.T) error {
	m := s.newModel(t, Text("One.").And(Calls("f", `{"a":1}`)).Forever())
	first, err := generate(t.Context(), m, question("hi"), &watch{})
	if err != nil {
		return err
	}
	for i := range first.Message.Parts {
		first.Message.Parts[i] = llm.Text{Text: "changed"}
	}
	copy(first.RawUsage, "changed")
	second, err := generate(t.Context(), m, question("hi"), &watch{})
	if err != nil {
		return err
	}
	return errors.Join(
		expect("the text of a second response, after the first was changed", "One.", second.Message.Text()),
		expect("the calls of a second response, after the first was changed", []string{`f({"a":1})`}, spoken(second.Message.Calls())))
}

func (s suite) concurrent(t *testing.T) error {
	const callers = 8
	m := s.newModel(t, Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		return Text("You said " + req.Messages[len(req.Messages)-1].Text() + ".").Response()
	}).Forever())
	errs := make([]error, callers)
	shared := new(llm.Memo)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			text := fmt.Sprint("I am ", i)
			req := streamedQuestion(text)
			if i%2 == 0 { // one conversation, asked by many at once
				text = "We are many"
				req = streamedQuestion(text)
				req.Memo = shared
			}
			w := &watch{}
			resp, err := generate(t.Context(), m, req, w)
			if err != nil {
				errs[i] = err
				return
			}
			deltas, wrong := w.seen()
			shown, _, _, _ := fold(deltas)
			errs[i] = errors.Join(wrong,
				expect("the text for one of many callers", "You said "+text+".", resp.Message.Text()),
				expect("the deltas for one of many callers", "You said "+text+".", shown))
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// goroutines compares what is running after few calls with what is running after
// more: a client may keep connections, but not one for each call.
func (s suite) goroutines(t *testing.T) error {
	const calls = 8
	m := s.newModel(t, Text("One, two, three.").Forever())
	round := func() error {
		for i := range calls {
			if err := s.oneOfMany(t, m, i%2 == 0); err != nil {
				return err
			}
		}
		return nil
	}
	if err := round(); err != nil {
		return err
	}
	settle(100*time.Millisecond, func() bool { return started(owner(t)) == 0 })
	before := started(owner(t))
	if err := round(); err != nil {
		return err
	}
	if !settle(s.patience, func() bool { return started(owner(t)) < before+calls/2 }) {
		return fmt.Errorf("%d goroutines that Generate started are still running after %d calls, and were %d after half of them",
			started(owner(t)), 2*calls, before)
	}
	return nil
}

// oneOfMany asks m, and gives up in between if cut.
func (s suite) oneOfMany(t *testing.T, m llm.Model, cut bool) error {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	w := &watch{owner: owner(t)}
	if cut {
		w.onDelta = func(llm.Delta) { cancel(errGivenUp) }
	}
	_, err := generate(ctx, m, streamedQuestion("hi"), w)
	if cut && err == errGivenUp { //nolint:errorlint // the contract is the cause itself
		return nil
	}
	return err
}

func (s suite) members(t *testing.T) error {
	step := Parts(llm.ToolCall{Name: "f", Arguments: "{}", Extra: []llm.Member{{Name: "signature", Value: `"s 1"`}}})
	for _, req := range []*llm.Request{question("hi"), streamedQuestion("hi")} {
		resp, err := generate(t.Context(), s.newModel(t, step), req, &watch{})
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

// finishOn returns the finish that is right on the wire of got. The Responses API
// has two statuses in place of finish reasons: the items show calls.
func finishOn(want *llm.Response, got llm.Finish) llm.Finish {
	switch got.Raw {
	case "completed":
		return llm.Finish{Reason: defaultFinish(want.Message), Raw: got.Raw}
	case "incomplete":
		return llm.Finish{Reason: want.Finish.Reason, Raw: got.Raw, Native: got.Native}
	}
	return want.Finish
}
