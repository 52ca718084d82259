package wrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// DefaultCoolDown is the default of [Fallback].CoolDown.
const DefaultCoolDown = time.Minute

// Fallback makes one model of several: a request that a model cannot answer goes to the
// next model. The zero value is a good start.
//
//   - The models are tried in their order, each at most once in a Generate.
//   - A model that is down (see CoolDown) is tried last. After CoolDown, a single request
//     tries the model first; if it succeeds, the model is up again.
//   - The sink gets an [llm.Notice] that names the error and the next model. If the sink
//     has seen a part of an answer, it then gets an [llm.Restarted].
//   - Each model gets the same [llm.Request], also its Model. Leave Request.Model empty if
//     the names of the models differ.
//
// The models of package openai retry by default, so the next model comes after their last
// attempt: after several seconds, or minutes if the provider asks for a wait. Give the
// first models a Retry with fewer Attempts or a Budget to change models sooner.
//
// A Fallback is a plain value, safe for concurrent use.
type Fallback struct {
	// When reports whether the next model is tried after an error. When is not called
	// after the end of the caller's context. When must be safe for concurrent use. Nil
	// means [Fallback.TriesNext] of the zero Fallback.
	When func(err error) bool
	// CoolDown is how long a model counts as down after an error that is not about the
	// request, or longer if the provider asks for a longer wait. A stream that breaks off
	// and the error of a [Limiter] do not count. Zero means one minute, -1 means that no model counts as down.
	CoolDown time.Duration
}

// TriesNext reports whether the next model is tried after err: the decision of When.
// Without When, the answer is yes for errors of the provider or of the connection: no
// access, no such model or host, no quota, rate limits, overload, server errors,
// timeouts, broken answers, and all other retryable errors. The answer is no for errors
// of the request (invalid, too large, refused by a filter), because the next model would
// refuse it, too, and a filter must not be evaded by accident. It is also no for a
// context overflow, so that the caller can shorten the conversation, and for errors that
// are not an [*llm.APIError].
func (f Fallback) TriesNext(err error) bool {
	if f.When != nil {
		return f.When(err)
	}
	api, ok := errors.AsType[*llm.APIError](err)
	return ok && (api.Retryable() || isOutage(api) || api.Kind == llm.KindTruncated)
}

// isOutage reports an error that the next request to the same model would get, too.
func isOutage(e *llm.APIError) bool {
	switch e.Kind {
	case llm.KindAuth, llm.KindPermission, llm.KindNotFound, llm.KindQuota, llm.KindRateLimit,
		llm.KindOverloaded, llm.KindServer, llm.KindTimeout, llm.KindNetwork, llm.KindMalformed:
		return true
	}
	return false
}

// Model returns the models as one. Without a model, with a nil model, or with a bad
// CoolDown, Generate returns an error and sends nothing. When ctx ends, Generate returns
// context.Cause(ctx). If the last model fails, too, Generate returns its error, and the
// error wraps the errors of the models before.
func (f Fallback) Model(models ...llm.Model) llm.Model {
	m := &fallback{policy: f, models: slices.Clone(models), outages: make([]outage, len(models))}
	switch {
	case len(models) == 0:
		m.wrong = errors.New("wrap: a Fallback needs a model")
	case slices.Contains(models, nil):
		m.wrong = fmt.Errorf("wrap: model %d of a Fallback is nil", slices.Index(models, nil)+1)
	case f.CoolDown < -1:
		m.wrong = fmt.Errorf("wrap: Fallback.CoolDown is %v", f.CoolDown)
	}
	m.policy.CoolDown = orDefault(f.CoolDown, DefaultCoolDown)
	return m
}

type fallback struct {
	policy Fallback
	models []llm.Model
	wrong  error // in the configuration

	mu      sync.Mutex
	outages []outage // by model
}

// An outage is the last error of a model that is down.
type outage struct {
	err   error // nil: the model is up
	since time.Time
	until time.Time
}

// Format implements [fmt.Formatter].
func (m *fallback) Format(s fmt.State, _ rune) { format(s, "fallback", m.models...) }

func (m *fallback) inside() []llm.Model { return m.models }

// Generate implements [llm.Model].
func (m *fallback) Generate(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
	if m.wrong != nil {
		return nil, m.wrong
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	seen := sinkWatcher{sink: sink}
	order, down := m.order(time.Now())
	if down != nil {
		seen.notice(fmt.Sprintf("%s is down (%v); asking %s", m.name(0), down, m.name(order[0])))
	}
	var past []error
	for i, n := range order {
		if ctx.Err() != nil { // the sink may have ended it
			return nil, context.Cause(ctx)
		}
		begin := time.Now()
		resp, err := m.models[n].Generate(ctx, req, seen.sinkOrNil())
		if ctx.Err() == nil {
			m.record(n, begin, err)
		}
		switch {
		case err == nil:
			return resp, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case i == len(order)-1 || !m.policy.TriesNext(err):
			return nil, withPast(err, past)
		}
		past = append(past, fmt.Errorf("%s: %w", m.name(n), err))
		seen.notice(fmt.Sprintf("%v; asking %s", err, m.name(order[i+1])))
		if ctx.Err() == nil {
			seen.restart(err)
		}
	}
	return nil, m.wrong // not reached: the order has a model
}

// withPast returns err with the errors before. err is the first that errors.AsType finds.
func withPast(err error, past []error) error {
	if len(past) == 0 {
		return err
	}
	return fmt.Errorf("%w (before: %w)", err, errors.Join(past...))
}

// order returns the models in the order to try, and the error of the first model if the
// first model is down. An outage that is over is prolonged, so that a single request tries
// the model.
func (m *fallback) order(now time.Time) (order []int, down error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var last []int
	for n := range m.models {
		o := &m.outages[n]
		switch {
		case o.err != nil && now.Before(o.until):
			last = append(last, n)
			continue
		case o.err != nil && len(order) == 0: // a model further back may not get the request
			o.until = now.Add(m.policy.CoolDown)
		}
		order = append(order, n)
	}
	if len(order) > 0 && order[0] != 0 {
		down = m.outages[0].err
	}
	return append(order, last...), down
}

// record notes the result of a request to model n that began at begin.
func (m *fallback) record(n int, begin time.Time, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := &m.outages[n]
	if err == nil {
		if !begin.Before(o.since) { // an older request proves nothing
			*o = outage{}
		}
		return
	}
	api, ok := errors.AsType[*llm.APIError](err)
	if !ok || !isOutage(api) || m.policy.CoolDown < 0 || api.Provider == limiterProvider {
		return // a Limiter says at once whether it has room
	}
	now := time.Now()
	*o = outage{err: err, since: now, until: now.Add(max(m.policy.CoolDown, api.RetryAfter))}
}

// name returns the number of model n, and its text if the model has one.
func (m *fallback) name(n int) string {
	name := fmt.Sprintf("model %d of %d", n+1, len(m.models))
	if text := printed(m.models[n]); text != "" {
		name += " (" + text + ")"
	}
	return name
}
