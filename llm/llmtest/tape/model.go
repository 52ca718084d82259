package tape

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

const seatModel = "model"

// Model returns real with the tape in front. A replay does not call real, so real may
// be nil. An invalid request (see [llm.Request.Validate]) and a request with an ended
// ctx are neither recorded nor replayed.
//
// A replayed Response equals the recorded Response, except for white space in
// RawUsage and LogProbs and for scrubbed texts; the sink gets the recorded
// deltas. Put the tape inside of retries to record each attempt, or outside to
// record the outcome.
func (tp *Tape) Model(real llm.Model) llm.Model {
	return llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err := req.Validate(); err != nil {
			return nil, err
		}
		request, err := requestJSON(req)
		if err != nil {
			return nil, fmt.Errorf("tape: the request cannot be recorded: %w", err)
		}
		if tp.recording {
			return tp.recordModel(ctx, real, req, request, sink)
		}
		e, err := tp.find(seatModel, request)
		if err != nil {
			return nil, err
		}
		return e.replay(ctx, sink)
	})
}

func (tp *Tape) recordModel(ctx context.Context, real llm.Model, req *llm.Request, request []byte, sink func(llm.Delta)) (*llm.Response, error) {
	if real == nil {
		return nil, errors.New("tape: recording needs a real model, and the one given to Tape.Model is nil")
	}
	e := &interaction{Seat: seatModel, Request: request}
	if err := tp.start(e); err != nil {
		return nil, err
	}
	var deltas []tapedDelta
	resp, err := real.Generate(ctx, req, func(d llm.Delta) {
		deltas = append(deltas, tapeDelta(d))
		if sink != nil {
			sink(d)
		}
	})
	var answer json.RawMessage
	if err == nil {
		var wrong error
		if answer, wrong = rawjson.Marshal((*tapedResponse)(resp)); wrong != nil {
			return nil, fmt.Errorf("tape: the response cannot be recorded: %w", wrong) // and the interaction stays open, which fails the test
		}
	}
	tp.end(e, func() {
		e.Deltas, e.Response = deltas, answer
		if e.Cut = err != nil && ctx.Err() != nil; err != nil && !e.Cut {
			e.Error = tapeError(err)
		}
	})
	return resp, err
}

// requestJSON writes a request: all fields except zero values, with names in
// snake_case.
func requestJSON(req *llm.Request) ([]byte, error) {
	own := *req
	own.Memo = nil
	text, err := rawjson.Marshal(own)
	if err != nil {
		return nil, err
	}
	members, err := llm.ParseMembers(text)
	if err != nil {
		return nil, err
	}
	zero, err := rawjson.Marshal(llm.Request{})
	if err != nil {
		return nil, err
	}
	zeros, err := llm.ParseMembers(zero)
	if err != nil {
		return nil, err
	}
	var out rawjson.Object
	for i, m := range members { // both have all fields, in their order
		if m != zeros[i] {
			out.Put(snake(m.Name), m.Value)
		}
	}
	return []byte(out.String()), nil
}

// snake writes TopP as top_p.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// tapedResponse is llm.Response in a file; the conversion keeps the two the same.
type tapedResponse struct {
	ID        string          `json:"id,omitempty"`
	RequestID string          `json:"request_id,omitempty"`
	Model     string          `json:"model,omitempty"`
	Message   llm.Message     `json:"message"`
	Finish    llm.Finish      `json:"finish,omitzero"`
	Usage     llm.Usage       `json:"usage,omitzero"`
	RawUsage  json.RawMessage `json:"raw_usage,omitempty"`
	LogProbs  json.RawMessage `json:"log_probs,omitempty"`
	Extra     []llm.Member    `json:"extra,omitempty"`

	RateLimits []llm.RateLimit `json:"-"` // they differ in each recording
}

// tapedDelta is llm.Delta in a file. Exactly one member is set.
type tapedDelta struct {
	Text      *string     `json:"text,omitempty"`
	Reasoning *string     `json:"reasoning,omitempty"`
	Call      *tapedCall  `json:"call,omitempty"`
	Restarted *tapedError `json:"restarted,omitempty"`
	Notice    *string     `json:"notice,omitempty"`
}

// tapedCall is llm.CallDelta in a file.
type tapedCall struct {
	Index     int    `json:"index"`
	ID        string `json:"id,omitempty"`
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments,omitempty"`
}

func tapeDelta(d llm.Delta) tapedDelta {
	switch d := d.(type) {
	case llm.TextDelta:
		return tapedDelta{Text: &d.Text}
	case llm.ReasoningDelta:
		return tapedDelta{Reasoning: &d.Text}
	case llm.CallDelta:
		return tapedDelta{Call: new(tapedCall(d))}
	case llm.Restarted:
		return tapedDelta{Restarted: tapeError(d.Err)}
	case llm.Notice:
		return tapedDelta{Notice: &d.Text}
	}
	panic(fmt.Sprintf("tape: unknown delta %T", d)) // the set is closed
}

// delta returns nil if no member is set.
func (d tapedDelta) delta() llm.Delta {
	switch {
	case d.Text != nil:
		return llm.TextDelta{Text: *d.Text}
	case d.Reasoning != nil:
		return llm.ReasoningDelta{Text: *d.Reasoning}
	case d.Call != nil:
		return llm.CallDelta(*d.Call)
	case d.Restarted != nil:
		return llm.Restarted{Err: d.Restarted.err()}
	case d.Notice != nil:
		return llm.Notice{Text: *d.Notice}
	}
	return nil
}

// A tapedError is an error in a file: the text, and the APIError in the error's
// chain.
type tapedError struct {
	Text string         `json:"text"`
	API  *tapedAPIError `json:"api,omitempty"`
}

type tapedAPIError struct {
	Kind       llm.ErrorKind `json:"kind"`
	Provider   string        `json:"provider,omitempty"`
	StatusCode int           `json:"status,omitempty"`
	Code       string        `json:"code,omitempty"`
	Type       string        `json:"type,omitempty"`
	Param      string        `json:"param,omitempty"`
	Message    string        `json:"message,omitempty"`
	RequestID  string        `json:"request_id,omitempty"`
	RetryAfter time.Duration `json:"retry_after_ns,omitempty"`
	Tokens     int64         `json:"tokens,omitempty"`
	TokenLimit int64         `json:"token_limit,omitempty"`
	Retries    int           `json:"retries,omitempty"`
	Cause      string        `json:"cause,omitempty"` // the text of Err
}

func tapeError(err error) *tapedError {
	if err == nil {
		return &tapedError{}
	}
	out := &tapedError{Text: err.Error()}
	e, ok := errors.AsType[*llm.APIError](err)
	if !ok {
		return out
	}
	out.API = &tapedAPIError{
		Kind: e.Kind, Provider: e.Provider, StatusCode: e.StatusCode, Code: e.Code, Type: e.Type, Param: e.Param,
		Message: e.Message, RequestID: e.RequestID, RetryAfter: e.RetryAfter, Tokens: e.Tokens, TokenLimit: e.TokenLimit, Retries: e.Retries,
	}
	if e.Err != nil {
		out.API.Cause = e.Err.Error()
	}
	return out
}

func (e *tapedError) err() error {
	if e.API == nil {
		return plainError(e.Text)
	}
	api := &llm.APIError{
		Kind: e.API.Kind, Provider: e.API.Provider, StatusCode: e.API.StatusCode, Code: e.API.Code, Type: e.API.Type, Param: e.API.Param,
		Message: e.API.Message, RequestID: e.API.RequestID, RetryAfter: e.API.RetryAfter,
		Tokens: e.API.Tokens, TokenLimit: e.API.TokenLimit, Retries: e.API.Retries,
	}
	api.Err = plainError(e.API.Cause)
	if api.Error() == e.Text {
		return api
	}
	return &wrappedError{text: e.Text, err: api}
}

// plainError returns an error with the text: io.EOF and io.ErrUnexpectedEOF
// themselves, because clients compare with these values.
func plainError(text string) error {
	switch text {
	case "":
		return nil
	case io.EOF.Error():
		return io.EOF
	case io.ErrUnexpectedEOF.Error():
		return io.ErrUnexpectedEOF
	}
	return errors.New(text)
}

// A wrappedError is an error with its own text around an APIError.
type wrappedError struct {
	text string
	err  error
}

func (e *wrappedError) Error() string { return e.text }

func (e *wrappedError) Unwrap() error { return e.err }

// replay returns the recorded response or error.
func (e *interaction) replay(ctx context.Context, sink func(llm.Delta)) (*llm.Response, error) {
	for _, d := range e.Deltas {
		if sink != nil {
			sink(d.delta())
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	switch {
	case e.Cut:
		<-ctx.Done()
		return nil, context.Cause(ctx)
	case e.Error != nil:
		return nil, e.Error.err()
	}
	var resp tapedResponse
	if err := json.Unmarshal(e.Response, &resp); err != nil {
		return nil, fmt.Errorf("tape: %w", err) // cannot be: check has read it
	}
	resp.RawUsage, resp.LogProbs = compactOrNil(resp.RawUsage), compactOrNil(resp.LogProbs)
	return (*llm.Response)(&resp), nil
}

func compactOrNil(raw json.RawMessage) json.RawMessage {
	if raw == nil {
		return nil
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw // cannot be: it was read
	}
	return b.Bytes()
}
