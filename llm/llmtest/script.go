package llmtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/llm"
)

var _ http.RoundTripper = (*Model)(nil)

// A Model answers requests from a script. Each request takes the first unused
// step whose condition holds (see [Step.When]), or else the next step without a
// condition. Make a Model with [Script] or [NewScript]. A Model is safe for
// concurrent use; concurrent requests take steps in the order of their arrival.
//
// Set the exported fields before the first request.
type Model struct {
	// Delay is the wait before each piece of a streamed answer, and before an error
	// or an answer without streaming. Zero means no wait.
	Delay time.Duration
	// ChunkSize is the number of characters of text or arguments in a piece of a
	// streamed answer. Zero means about a token; the arguments of a call then follow
	// the piece with the call's name, in fragments. -1 means the whole text at once,
	// and whole calls.
	ChunkSize int
	// Seed varies how each streamed answer is cut, in place of ChunkSize: by tokens,
	// by characters, in pieces of random size, or not at all; with calls whole, in
	// fragments one call after the next, or in interleaved fragments. The same seed
	// cuts the n-th answer in the same way in all seats. Zero means that ChunkSize
	// decides.
	Seed uint64

	t       testing.TB // nil without a test
	steps   []Step
	misuse  error
	lenient bool // unused steps are no error
	fault   int  // if lenient: the number of the step that must be used, from 1; 0 means no such step
	tools   toolsMemo

	mu         sync.Mutex
	used       []bool        // used[i]: step i has answered
	count      int           // number of requests so far
	requests   []llm.Request // the latest requests
	unscripted int           // number of requests beyond the script
	violations int           // number of requests that broke the protocol
	calls      int           // number of generated ids of calls
	ended      bool          // the test has ended, t must not be used
}

var _ llm.Model = (*Model)(nil)

// Script returns a Model for a test. A request beyond the steps, or a request
// that breaks the protocol, fails t from any goroutine and gets an error. Steps
// left at the end of t fail t. A step that is wrong in itself ends t at once.
func Script(t testing.TB, steps ...Step) *Model {
	t.Helper()
	return NewScript(steps...).in(t)
}

// in makes the model part of a test.
func (m *Model) in(t testing.TB) *Model {
	t.Helper()
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
// steps, or a request that breaks the protocol, gets an error; [Model.Done]
// reports whether all steps were used. If a step is wrong in itself, each
// request gets an error that names the mistake.
func NewScript(steps ...Step) *Model {
	return &Model{steps: slices.Clone(steps), used: make([]bool, len(steps)), misuse: check(steps)}
}

func check(steps []Step) error {
	for i, s := range steps {
		if err := s.validate(); err != nil {
			return fmt.Errorf("llmtest: step %d: %w", i+1, err)
		}
		if s.forever && s.match == nil && slices.ContainsFunc(steps[i+1:], func(s Step) bool { return s.match == nil }) {
			return fmt.Errorf("llmtest: step %d answers for ever: no step without a condition can follow it", i+1)
		}
	}
	return nil
}

// finish reports unused steps. Requests beyond the script were reported when
// they came.
func (m *Model) finish(t testing.TB) {
	t.Helper()
	m.mu.Lock()
	m.ended = true
	var err error
	switch {
	case !m.lenient:
		err = m.unused()
	case m.fault > 0 && !m.used[m.fault-1]:
		err = fmt.Errorf("llmtest: the fault was not reached: %s came, but no request for step %d: %s", clip.Count(m.count, "request"), m.fault, m.steps[m.fault-1])
	case m.count == 0 && len(m.steps) > 0:
		err = errors.New("llmtest: no request came, so no fault was tested")
	}
	m.mu.Unlock()
	if err != nil {
		t.Error(err)
	}
}

// Generate implements [llm.Model]. An invalid request (see [llm.Request.Validate])
// and an ended ctx use no step.
func (m *Model) Generate(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
	if err := validate(req); err != nil {
		return nil, err
	}
	a, err := m.nextAnswer(ctx, req)
	if exact, ok := errors.AsType[*raw](err); ok {
		return nil, exact.inProcess()
	}
	if err != nil {
		return nil, err
	}
	return a.play(ctx, req.Stream, sink)
}

// validate is Validate, except for duplicate tools: the protocol check describes
// these better.
func validate(req *llm.Request) error {
	if duplicateName(req.Tools) != "" {
		return nil
	}
	return req.Validate()
}

// nextAnswer takes the next step and returns its answer to req. It waits for [Late]
// and for the function of [Reply], and leaves the delay of the answer to the caller.
func (m *Model) nextAnswer(ctx context.Context, req *llm.Request) (*answer, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	i, number, err := m.take(req)
	if err != nil {
		return nil, err
	}
	step := m.steps[i]
	delay := m.Delay
	if step.delay != nil {
		delay = *step.delay
	}
	if err := wait(ctx, step.late); err != nil {
		return nil, err
	}
	resp, err := step.respond(ctx, req)
	if err != nil {
		if waited := wait(ctx, delay); waited != nil {
			return nil, waited
		}
		return nil, err
	}
	a := &answer{resp: m.complete(resp, step, req, number), delay: delay, fault: step.fault, contentType: step.contentType}
	if req.Stream {
		a.pieces = m.cutter(number).pieces(a.resp.Message)
	}
	if step.faultCopy {
		a.done = func() { m.markOriginal(i) }
	}
	return a, nil
}

// markOriginal marks the original of a faulted copy as used, after the copy, step i,
// arrived intact. Further copies between the two are marked as well.
func (m *Model) markOriginal(i int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ; m.steps[i].faultCopy; i++ {
		m.used[i+1] = !m.steps[i+1].forever
	}
}

// take records the request and returns the step for the answer, and the request's
// number from 1.
func (m *Model) take(req *llm.Request) (step, number int, err error) {
	if m.misuse != nil {
		return 0, 0, m.misuse
	}
	holds := m.conditions(req) // not under mu: the caller's functions may use this model
	violation := checkProtocol(req)
	m.mu.Lock()
	m.record(req)
	number = m.count
	step = -1
	if violation != nil {
		m.violations++
	} else if step = m.pick(holds); step < 0 {
		m.unscripted++
	}
	report := m.t != nil && !m.ended
	left := m.left()
	m.mu.Unlock()
	switch {
	case violation != nil:
		return 0, 0, m.refuse("protocol", fmt.Sprintf("request %d breaks the protocol: %v", number, violation), req, report)
	case step < 0:
		return 0, 0, m.refuse("beyond_script", m.beyond(number, left), req, report)
	}
	return step, number, nil
}

// conditions returns the steps whose conditions hold.
func (m *Model) conditions(req *llm.Request) map[int]bool {
	var holds map[int]bool
	for i, s := range m.steps {
		if s.match != nil && s.match(req) {
			if holds == nil {
				holds = map[int]bool{}
			}
			holds[i] = true
		}
	}
	return holds
}

// pick marks the next step as used and returns its index, or -1. The caller holds mu.
func (m *Model) pick(holds map[int]bool) int {
	next := -1
	for i, s := range m.steps {
		switch {
		case m.used[i]:
		case holds[i]:
			m.used[i] = !s.forever
			return i
		case s.match == nil && next < 0:
			next = i
		}
	}
	if next >= 0 {
		m.used[next] = !m.steps[next].forever
	}
	return next
}

// maxKept bounds the stored requests of a model without a test, because such a model
// may serve for a long time.
const maxKept = 100

func (m *Model) record(req *llm.Request) {
	m.count++
	m.requests = append(m.requests, snapshot(req))
	if m.t == nil && len(m.requests) > maxKept {
		m.requests = slices.Delete(m.requests, 0, 1)
	}
}

// beyond returns the message for a request without a step: only the steps in left are
// unused, and their conditions do not hold.
func (m *Model) beyond(number int, left []int) string {
	text := fmt.Sprintf("request %d is beyond the script of %s", number, clip.Count(len(m.steps), "step"))
	if len(left) > 0 {
		text += "; those left have conditions that it does not meet:" + m.list(left) + "\nit asks"
	}
	return text
}

// refuse returns the error for a request without an answer in the script. No client
// retries this error.
func (m *Model) refuse(code, text string, req *llm.Request, report bool) error {
	text += ":\n" + transcript(req)
	if report {
		m.t.Errorf("llmtest: %s", text)
	}
	return &llm.APIError{
		Kind: llm.KindInvalidRequest, Provider: provider, StatusCode: 400,
		Type: "invalid_request_error", Code: code, Message: text,
	}
}

// Requests returns the requests so far in the order of arrival, requests beyond
// the script included. Each request is a copy without Memo, made on arrival,
// that shares nothing with the caller's request; on the wire, it is the result
// of [ParseRequest]. A model of NewScript keeps the last hundred requests.
func (m *Model) Requests() []llm.Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]llm.Request, len(m.requests))
	for i := range m.requests {
		out[i] = snapshot(&m.requests[i])
	}
	return out
}

// Done returns nil if every step was used and no request was beyond the script
// or broke the protocol. [Script] checks Done by itself.
func (m *Model) Done() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := errors.Join(m.misuse, m.unused())
	if m.unscripted > 0 {
		err = errors.Join(err, fmt.Errorf("llmtest: %s came beyond the script of %s",
			clip.Count(m.unscripted, "request"), clip.Count(len(m.steps), "step")))
	}
	if m.violations > 0 {
		err = errors.Join(err, fmt.Errorf("llmtest: %s broke the protocol", clip.Count(m.violations, "request")))
	}
	return err
}

// unused returns an error with a list of the unused steps. The caller holds mu.
func (m *Model) unused() error {
	left := m.left()
	if len(left) == 0 {
		return nil
	}
	return fmt.Errorf("llmtest: %d of %s not used:%s", len(left), clip.Count(len(m.steps), "step"), m.list(left))
}

// left returns the unused steps, without the steps of [Step.Forever]. The caller
// holds mu.
func (m *Model) left() []int {
	var left []int
	for i, s := range m.steps {
		if !m.used[i] && !s.forever {
			left = append(left, i)
		}
	}
	return left
}

// list names steps, each in a line.
func (m *Model) list(steps []int) (text string) {
	for _, i := range steps {
		text += fmt.Sprintf("\n  step %d: %s", i+1, m.steps[i])
	}
	return text
}
