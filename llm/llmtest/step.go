package llmtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// A Step is one answer of a script. Steps are values: the methods return a
// changed copy. The zero Step is an empty answer.
type Step struct {
	parts   llm.Parts
	err     error
	reply   func(context.Context, *llm.Request) (*llm.Response, error)
	finish  *string
	native  string
	usage   *llm.Usage
	delay   *time.Duration
	forever bool
	match   func(*llm.Request) bool // the condition; nil means no condition

	raw         *raw // the bytes of Wire and Status
	late        time.Duration
	contentType *string
	fault       Fault
	faultCopy   bool // a copy with a fault: if the copy arrives intact, the original behind it counts as used

	misuse error // what is wrong with the step itself
}

// Text answers with s. The empty text is an empty answer, without any part.
func Text(s string) Step {
	if s == "" {
		return Step{}
	}
	return Parts(llm.Text{Text: s})
}

// Calls answers with a call of the tool name. The arguments are the JSON of args,
// without escapes for HTML. A string, a [json.RawMessage] or a []byte is used
// unchanged, even if it is not valid JSON. Nil, blank and null arguments become "{}";
// see [llm.ToolCall].
//
// Several calls in one answer: Calls("a", x).And(Calls("b", y)).
func Calls(name string, args any) Step {
	text, err := argumentsText(args)
	if err != nil {
		return Step{misuse: fmt.Errorf("arguments of %s: %w", name, err)}
	}
	return Parts(llm.ToolCall{Name: name, Arguments: text})
}

// Reasoning answers with visible reasoning, in the member "reasoning_content".
// The step usually precedes more content: Reasoning("Hm.").And(Text("Yes.")).
func Reasoning(s string) Step { return Parts(llm.Reasoning{Text: s}) }

// Refusal answers by declining.
func Refusal(s string) Step { return Parts(llm.Refusal{Text: s}) }

// Parts answers with a message of these parts, for contents beyond the simpler
// steps, such as calls with an ID or extra members. A part without a wire form
// in an answer, such as an [llm.Image] or a refusal with Extra, makes the step
// wrong: [Script] then ends the test.
//
// An [llm.Reasoning] with Extra is sent as a content part of type "thinking".
// Reasoning without Extra is sent in the member named by Field ("reasoning_content"
// if Field is empty). An answer can have only one Field.
func Parts(parts ...llm.Part) Step { return Step{parts: parts} }

// Fail answers with an error. In process Generate returns err as it is. On the wire
// an [*llm.APIError] becomes its StatusCode (or the usual status of its Kind), an
// error body in OpenAI's form, and a Retry-After header. An error of a different type
// becomes status 500. A StatusCode below 400 or above 599, except 0, makes the step
// wrong: [Script] then ends the test.
func Fail(err error) Step {
	if err == nil {
		return Step{misuse: errors.New("Fail needs an error")}
	}
	if e, ok := errors.AsType[*llm.APIError](err); ok && e.StatusCode != 0 && !isFailure(e.StatusCode) {
		return Step{misuse: fmt.Errorf("Fail needs a StatusCode from 400 to 599, or 0, not %d", e.StatusCode)}
	}
	return Step{err: err}
}

// Wire answers on the wire with exactly this status, header and body, with and
// without streaming. In process, a status of 400 or above becomes the
// [*llm.APIError] that a client would make of the header and of a body in
// OpenAI's form; any lower status is an error in process. Wire copies the
// header.
func Wire(status int, header http.Header, body string) Step {
	r := &raw{status: status, header: header.Clone(), body: body}
	return Step{raw: r, misuse: r.validate()}
}

// Reply answers with the result of f, which must not change the request. Empty
// fields of the Response are filled in as for all steps, so a Message is enough;
// [Step.Response] helps to build a Response. Zero Usage is read from RawUsage,
// in OpenAI's names, if RawUsage is present. An error is treated as in [Fail]. A
// Response without a wire form is an error. On the wire, ctx ends when the
// client goes away.
//
// f may run for several requests at once. To answer all requests of a program
// with one function, use NewScript(Reply(f).Forever()).
func Reply(f func(ctx context.Context, req *llm.Request) (*llm.Response, error)) Step {
	if f == nil {
		return Step{misuse: errors.New("Reply needs a function")}
	}
	return Step{reply: f}
}

// And joins the contents of s and more into one answer. The answer has the order of
// the wire: reasoning, text, refusal, calls. The last step with a Finish, Usage or
// Delay decides. Fail, Wire and Reply cannot be joined. A step with a condition or a
// fault cannot be joined to another step: set the condition or fault on the whole
// answer.
func (s Step) And(more ...Step) Step {
	for _, o := range more {
		s = s.join(o)
	}
	return s
}

func (s Step) join(o Step) Step {
	switch {
	case s.err != nil, o.err != nil, s.raw != nil, o.raw != nil, s.reply != nil, o.reply != nil:
		s.misuse = errors.New("Fail, Wire and Reply cannot be joined with And")
	case o.match != nil, o.fault.kind != noFault, o.late != 0, o.contentType != nil:
		s.misuse = errors.New("When and With belong behind the whole answer, not into And")
	}
	if s.misuse == nil {
		s.misuse = o.misuse
	}
	s.parts = append(s.parts[:len(s.parts):len(s.parts)], o.parts...)
	if o.finish != nil {
		s.finish = o.finish
	}
	if o.native != "" {
		s.native = o.native
	}
	if o.usage != nil {
		s.usage = o.usage
	}
	if o.delay != nil {
		s.delay = o.delay
	}
	s.forever = s.forever || o.forever
	return s
}

// Finish sets the provider's finish reason, such as "length" or "content_filter".
// Empty means that the answer has no finish reason.
func (s Step) Finish(raw string) Step {
	s.finish = &raw
	return s
}

// NativeFinish sets the "native_finish_reason", which routers send beside the
// finish reason.
func (s Step) NativeFinish(raw string) Step {
	s.native = raw
	return s
}

// Usage sets the usage of the answer. Zero means that the answer has no usage.
func (s Step) Usage(u llm.Usage) Step {
	s.usage = &u
	return s
}

// Delay sets the time between the pieces of this answer, in place of
// [Model.Delay].
func (s Step) Delay(d time.Duration) Step {
	s.delay = &d
	return s
}

// Forever makes the step answer all remaining requests, if any. No step can
// follow.
func (s Step) Forever() Step {
	s.forever = true
	return s
}

// When gives the step a condition: the step answers the first request for which
// match is true, unless an earlier condition took the request. Steps with a
// condition go before unused steps without a condition. Of several conditions,
// all must hold. match is called for each request, perhaps concurrently, and
// must not change the request.
//
// Common conditions are [LastUser], [HasResult], [Turn] and [Instructed].
func (s Step) When(match func(*llm.Request) bool) Step {
	switch first := s.match; {
	case match == nil:
		s.misuse = errors.New("When needs a function")
	case first != nil:
		s.match = func(req *llm.Request) bool { return first(req) && match(req) }
	default:
		s.match = match
	}
	return s
}

// Matches reports whether the conditions of the step hold for a request. A step without a
// condition matches each request.
func (s Step) Matches(req *llm.Request) bool { return s.match == nil || s.match(req) }

// With returns this answer with a fault. [Late] and [ContentType] combine with
// each other and with any fault; an answer has at most one of the remaining
// faults. Fail and Wire cannot have a fault.
func (s Step) With(f Fault) Step {
	switch {
	case s.misuse != nil:
	case f.misuse != nil:
		s.misuse = f.misuse
	case f.kind == lateFault:
		s.late += f.wait
	case f.kind == typeFault:
		s.contentType = &f.data
	case f.kind == noFault:
	case s.err != nil || s.raw != nil:
		s.misuse = fmt.Errorf("%s: Fail and Wire cannot have a fault", f)
	case s.fault.kind != noFault:
		s.misuse = fmt.Errorf("an answer has one fault, not %s and %s", s.fault, f)
	case f.kind == statusFault:
		s.fault, s.raw = f, f.raw
	default:
		s.fault = f
	}
	return s
}

// Response returns the answer of the step, without the fields that a script
// fills in, or the step's error. Response is for functions given to [Reply]:
//
//	return llmtest.Calls("get_weather", args).Response()
func (s Step) Response() (*llm.Response, error) {
	switch {
	case s.validate() != nil:
		return nil, fmt.Errorf("llmtest: %w", s.validate())
	case s.raw != nil:
		return nil, s.raw.inProcess()
	case s.err != nil:
		return nil, s.err
	case s.reply != nil:
		return nil, errors.New("llmtest: a Reply has no response before a request")
	}
	resp := &llm.Response{Message: llm.Message{Role: llm.RoleAssistant, Parts: s.parts}}
	s.adjust(resp)
	return canonical(resp), nil
}

// validate reports an error in the step itself.
func (s Step) validate() error {
	if s.misuse != nil {
		return s.misuse
	}
	return checkParts(s.parts)
}

// adjust writes usage and finish of the step into resp.
func (s Step) adjust(resp *llm.Response) {
	if s.usage != nil {
		resp.Usage, resp.RawUsage = *s.usage, nil
	}
	if s.finish == nil && s.native == "" {
		return
	}
	raw := string(defaultFinish(resp.Message))
	if s.finish != nil {
		raw = *s.finish
	}
	resp.Finish = llm.FinishOf(utf8Text(raw), utf8Text(s.native))
}

func argumentsText(args any) (string, error) {
	switch a := args.(type) {
	case nil:
		return "{}", nil
	case string:
		return a, nil
	case json.RawMessage:
		return string(a), nil
	case []byte:
		return string(a), nil
	}
	b, err := rawjson.Marshal(args)
	return string(b), err
}
