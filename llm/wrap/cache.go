package wrap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// DefaultCacheAnswers is the default of [Cache].MaxAnswers.
const DefaultCacheAnswers = 1000

// Cache answers a request again with the answer of an earlier equal request. The zero
// value keeps answers in memory.
//
//   - Requests are equal if all fields but Stream and Memo are equal. Ids of calls and
//     members of Settings such as User count, too.
//   - Only whole, good answers are kept: with the finish reason stop or tool calls, with
//     text or calls, without a refusal, and with arguments that are JSON.
//   - An answer from the cache has no Usage, RawUsage and RateLimits, because it cost
//     nothing. If the request has Stream, the sink gets the deltas of the answer, each part
//     at once.
//   - Equal requests at the same time ask the inner model once. The others wait for the
//     answer, or for the error, and get no deltas before. If the context of the request that
//     asks ends, another request asks.
//
// Models answer differently each time. With a Cache, a sample of several answers to one
// request needs requests that differ, for example in Settings.Seed.
//
// A Cache is a plain value, safe for concurrent use. Each model of [Cache.Model] has its own
// memory.
type Cache struct {
	// Dir is a directory with a file for each answer, for several processes, too. Dir is
	// made if there is none. The files hold answers and no requests, and no keys. A damaged
	// file is ignored and replaced. Files may be deleted at any time; the Cache deletes
	// none. Empty means memory.
	Dir string
	// Name separates the answers of different models in Dir. Empty means the text that the
	// model prints; the models of package openai print their names. A model that prints no
	// text needs a Name if there is a Dir.
	Name string
	// MaxAge is how long an answer is used. Zero means without end.
	MaxAge time.Duration
	// MaxAnswers bounds the answers in memory; the answer that was not used for the longest
	// time goes first. Zero means 1,000, -1 means no bound. MaxAnswers does not apply to Dir.
	MaxAnswers int
}

// Model returns m with the cache. A nil model, a model without a name beside Dir, a
// negative number and a Dir that cannot be made are errors of each Generate. If an answer
// cannot be written to Dir, the sink gets an [llm.Notice]. When ctx ends, Generate returns
// context.Cause(ctx).
func (c Cache) Model(m llm.Model) llm.Model {
	if c.Name == "" {
		c.Name = printed(m)
	}
	cached := &cached{inner: m, config: c, calls: map[string]*cacheCall{}}
	cached.open = sync.OnceValue(cached.openStore)
	return cached
}

type cached struct {
	inner  llm.Model
	config Cache
	open   func() error // sets store; called before each use
	store  answerStore

	mu    sync.Mutex
	calls map[string]*cacheCall // that run now
}

// An answerStore keeps encoded answers. An answerStore is safe for concurrent use.
type answerStore interface {
	get(key string, now time.Time) []byte // nil if there is none
	put(key string, now time.Time, answer []byte) error
}

// A cacheCall is a request to the inner model that equal requests wait for.
type cacheCall struct {
	done   chan struct{} // closed at the end
	answer []byte        // nil: see err
	err    error         // nil without an answer: the caller has left, so somebody else asks
}

func (m *cached) openStore() (err error) {
	c := m.config
	switch {
	case m.inner == nil:
		return errors.New("wrap: the model of a Cache is nil")
	case c.MaxAge < 0:
		return fmt.Errorf("wrap: Cache.MaxAge is %v", c.MaxAge)
	case c.MaxAnswers < -1:
		return fmt.Errorf("wrap: Cache.MaxAnswers is %d", c.MaxAnswers)
	case c.Dir == "":
		m.store = newMemoryStore(c.MaxAge, orDefault(c.MaxAnswers, DefaultCacheAnswers))
		return nil
	case c.Name == "":
		return fmt.Errorf("wrap: a Cache with a Dir needs a Name for the model, a %T", m.inner)
	}
	m.store, err = newDirStore(c.Dir, c.MaxAge)
	return err
}

// Format implements [fmt.Formatter].
func (m *cached) Format(s fmt.State, _ rune) { format(s, "cached", m.inner) }

func (m *cached) inside() []llm.Model { return []llm.Model{m.inner} }

// Generate implements [llm.Model].
func (m *cached) Generate(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
	if err := m.open(); err != nil {
		return nil, err
	}
	key, err := cacheKey(m.config.Name, req)
	if err != nil { // a request that JSON cannot hold, such as a temperature of NaN
		return m.inner.Generate(ctx, req, sink)
	}
	for ctx.Err() == nil {
		call, first := m.join(key)
		if first {
			return m.lead(ctx, req, sink, key, call)
		}
		select {
		case <-ctx.Done():
			continue
		case <-call.done:
		}
		switch resp, err := call.result(); {
		case resp != nil:
			return replay(ctx, req, resp, sink)
		case err != nil && ctx.Err() == nil:
			return nil, err
		}
	}
	return nil, context.Cause(ctx)
}

// join returns the call for a key. The result first says that the caller has to ask.
func (m *cached) join(key string) (call *cacheCall, first bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if call = m.calls[key]; call != nil {
		return call, false
	}
	call = &cacheCall{done: make(chan struct{})}
	m.calls[key] = call
	return call, true
}

// lead answers the request from the store or from the inner model, and gives the result to
// all that wait for the call.
func (m *cached) lead(ctx context.Context, req *llm.Request, sink func(llm.Delta), key string, call *cacheCall) (*llm.Response, error) {
	end := sync.OnceFunc(func() {
		m.mu.Lock()
		delete(m.calls, key)
		m.mu.Unlock()
		close(call.done)
	})
	defer end() // also after a panic
	if answer := m.store.get(key, time.Now()); answer != nil {
		if resp, err := decodeAnswer(answer); err == nil {
			call.answer = answer
			end() // before the sink, which may be slow
			return replay(ctx, req, resp, sink)
		}
	}
	return m.ask(ctx, req, sink, key, call)
}

// ask sends the request to the inner model and keeps a good answer.
func (m *cached) ask(ctx context.Context, req *llm.Request, sink func(llm.Delta), key string, call *cacheCall) (*llm.Response, error) {
	resp, err := m.inner.Generate(ctx, req, sink)
	if err != nil || resp == nil {
		if ctx.Err() == nil {
			call.err = err
		}
		return resp, err
	}
	answer, err := encodeAnswer(resp)
	if err == nil && isGood(resp) {
		err = m.store.put(key, time.Now(), answer)
	}
	call.answer = answer // nil if it cannot be encoded: the others ask for themselves
	if err != nil && sink != nil && ctx.Err() == nil {
		sink(llm.Notice{Text: fmt.Sprintf("cache: the answer is not kept: %v", err)})
	}
	return resp, nil
}

// result returns the result of a call that has ended, or nil twice if it has none.
func (c *cacheCall) result() (*llm.Response, error) {
	if c.answer == nil {
		return nil, c.err
	}
	return decodeAnswer(c.answer)
}

// isGood reports whether an answer may be used again.
func isGood(resp *llm.Response) bool {
	if r := resp.Finish.Reason; r != llm.FinishStop && r != llm.FinishToolCalls {
		return false
	}
	calls := resp.Message.Calls()
	for _, c := range calls {
		if args := bytes.TrimSpace([]byte(c.Arguments)); len(args) > 0 && !json.Valid(args) {
			return false
		}
	}
	return resp.Message.Refusal() == "" && (len(calls) > 0 || resp.Message.Text() != "")
}

// replay returns the answer, and gives its deltas to the sink if the request has Stream.
func replay(ctx context.Context, req *llm.Request, resp *llm.Response, sink func(llm.Delta)) (*llm.Response, error) {
	if sink == nil || !req.Stream {
		return resp, nil
	}
	calls := 0
	for _, p := range resp.Message.Parts {
		var d llm.Delta
		switch p := p.(type) {
		case llm.Text:
			d = llm.TextDelta{Text: p.Text}
		case llm.Reasoning:
			d = llm.ReasoningDelta{Text: p.Text}
		case llm.ToolCall:
			d = llm.CallDelta{Index: calls, ID: p.ID, Name: p.Name, Arguments: p.Arguments}
			calls++
		default:
			continue
		}
		if sink(d); ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return resp, nil
}
