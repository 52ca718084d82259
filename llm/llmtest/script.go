package llmtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A Model answers requests from a script, step by step in their order. Make one
// with [Script] or [NewScript]. It is safe for concurrent use; of concurrent
// requests, whichever comes first gets the next step.
type Model struct {
	// Delay is waited before each piece of a streamed answer, and once before an
	// answer that is not streamed and before an error. Zero: none. Set it before
	// the first request.
	Delay time.Duration

	t      testing.TB // nil without a test
	steps  []Step
	misuse error

	mu       sync.Mutex
	next     int           // the step that comes next
	count    int           // of the requests that came
	requests []llm.Request // those that came last
	extra    int           // how many of them were beyond the script
	calls    int           // calls that were given an id
	over     bool          // the test has ended, t must not be used
}

var _ llm.Model = (*Model)(nil)

// Script returns a Model for a test. A request beyond the steps fails t, from
// whatever goroutine it comes, and gets an error; steps that nobody asked for
// fail t when it ends. A step that is wrong in itself ends t at once.
func Script(t testing.TB, steps ...Step) *Model {
	t.Helper()
	m := NewScript(steps...)
	m.t = t
	if m.misuse != nil {
		t.Fatal(m.misuse)
	}
	t.Cleanup(func() {
		t.Helper()
		m.finish(t)
	})
	return m
}

// NewScript returns a Model for examples and programs. A request beyond the
// steps gets an error; [Model.Done] tells whether all steps were used. With a
// step that is wrong in itself, each request gets an error that says so.
func NewScript(steps ...Step) *Model {
	return &Model{steps: slices.Clone(steps), misuse: check(steps)}
}

func check(steps []Step) error {
	for i, s := range steps {
		if err := s.wrong(); err != nil {
			return fmt.Errorf("llmtest: step %d: %w", i+1, err)
		}
		if s.forever && i+1 < len(steps) {
			return fmt.Errorf("llmtest: step %d answers for ever: no step can follow it", i+1)
		}
	}
	return nil
}

// finish reports unused steps. Requests beyond the script were reported when
// they came.
func (m *Model) finish(t testing.TB) {
	t.Helper()
	m.mu.Lock()
	m.over = true
	err := m.unused()
	m.mu.Unlock()
	if err != nil {
		t.Error(err)
	}
}

// Generate implements [llm.Model]. A request that [llm.Request.Validate] refuses,
// or whose ctx has ended, uses no step.
func (m *Model) Generate(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
	if err := req.Validate(); err != nil {
		return nil, err
	}
	a, err := m.ask(ctx, req)
	if err != nil {
		return nil, err
	}
	if err := a.play(ctx, req.Stream, func(p piece) error {
		if d := p.delta(); d != nil && sink != nil {
			sink(d)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	return a.resp, nil
}

// ask takes the next step and has it answer req.
func (m *Model) ask(ctx context.Context, req *llm.Request) (*answer, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	step, number, err := m.take(req)
	if err != nil {
		return nil, err
	}
	delay := m.Delay
	if step.delay != nil {
		delay = *step.delay
	}
	resp, err := step.respond(ctx, req)
	if err != nil {
		if waited := wait(ctx, delay); waited != nil {
			return nil, waited
		}
		return nil, err
	}
	return &answer{resp: m.complete(resp, step, req, number), delay: delay}, nil
}

// take records the request and returns the step that answers it, and the
// request's number from 1.
func (m *Model) take(req *llm.Request) (Step, int, error) {
	if m.misuse != nil {
		return Step{}, 0, m.misuse
	}
	m.mu.Lock()
	m.record(req)
	number := m.count
	if m.next == len(m.steps) {
		m.extra++
		report := m.t != nil && !m.over
		m.mu.Unlock()
		return Step{}, 0, m.beyond(req, number, report)
	}
	defer m.mu.Unlock()
	step := m.steps[m.next]
	if !step.forever {
		m.next++
	}
	return step, number, nil
}

// maxKept bounds the requests that a model without a test keeps, which may serve
// for a long time.
const maxKept = 100

func (m *Model) record(req *llm.Request) {
	m.count++
	m.requests = append(m.requests, snapshot(req))
	if m.t == nil && len(m.requests) > maxKept {
		m.requests = slices.Delete(m.requests, 0, 1)
	}
}

// beyond returns the error for a request that no step is left for. It is one
// that no client tries again.
func (m *Model) beyond(req *llm.Request, number int, report bool) error {
	text := fmt.Sprintf("request %d is beyond the script of %s:\n%s", number, count(len(m.steps), "step"), transcript(req))
	if report {
		m.t.Errorf("llmtest: %s", text)
	}
	return &llm.APIError{
		Kind: llm.KindInvalidRequest, Provider: "llmtest", StatusCode: 400,
		Type: "invalid_request_error", Code: "beyond_script", Message: text,
	}
}

// Requests returns what was asked so far, in the order of arrival, requests
// beyond the script included. Each is a copy made on arrival that shares nothing
// with the caller's, without its Memo;
// on the wire, what [ParseRequest] made of the body. A model made by NewScript
// keeps the last hundred.
func (m *Model) Requests() []llm.Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]llm.Request, len(m.requests))
	for i := range m.requests {
		out[i] = snapshot(&m.requests[i])
	}
	return out
}

// Done returns nil if the script was followed to its end: every step was used,
// and there was no request beyond. [Script] checks that by itself.
func (m *Model) Done() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := errors.Join(m.misuse, m.unused())
	if m.extra > 0 {
		err = errors.Join(err, fmt.Errorf("llmtest: %s came beyond the script of %s",
			count(m.extra, "request"), count(len(m.steps), "step")))
	}
	return err
}

// unused returns an error that lists the steps left. The caller holds mu.
func (m *Model) unused() error {
	left := m.steps[m.next:]
	if len(left) == 0 || left[0].forever {
		return nil
	}
	text := fmt.Sprintf("llmtest: %d of %s not used:", len(left), count(len(m.steps), "step"))
	for i, s := range left {
		text += fmt.Sprintf("\n  step %d: %s", m.next+i+1, s)
	}
	return errors.New(text)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
