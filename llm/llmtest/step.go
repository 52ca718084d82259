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
	match   func(*llm.Request) bool // its condition; nil: none

	raw         *raw // in place of an answer
	late        time.Duration
	contentType *string
	fault       Fault
	spare       bool // when it is given whole, the step behind it is used, too

	misuse error // what is wrong with the step itself
}

// Text answers with s. The empty text is an empty answer, without any part.
func Text(s string) Step {
	if s == "" {
		return Step{}
	}
	return Parts(llm.Text{Text: s})
}

// Calls answers with a call of the tool name. The arguments are the JSON of
// args, without escapes for HTML; a string, a [json.RawMessage] or a []byte is
// taken as it stands, so that what is no JSON can be scripted; nil, and what is
// blank or null, is "{}", see [llm.ToolCall].
//
// Several calls in one answer: Calls("a", x).And(Calls("b", y)).
func Calls(name string, args any) Step {
	text, err := argumentsText(args)
	if err != nil {
		return Step{misuse: fmt.Errorf("arguments of %s: %w", name, err)}
	}
	return Parts(llm.ToolCall{Name: name, Arguments: text})
}

// Reasoning answers with thinking that the model shows, which is sent in the
// member "reasoning_content". It usually stands before others:
// Reasoning("Hm.").And(Text("Yes.")).
func Reasoning(s string) Step { return Parts(llm.Reasoning{Text: s}) }

// Refusal answers by declining.
func Refusal(s string) Step { return Parts(llm.Refusal{Text: s}) }

// Parts answers with a message of these parts: for what the other steps cannot
// say, such as calls with an ID or extra members of their own. A part that the
// wire has no form for in an answer, such as an [llm.Image] or a refusal with
// Extra, is misuse.
//
// A [llm.Reasoning] with Extra is sent as a part of the content of type
// "thinking"; one without in the member that its Field names, "reasoning_content"
// if it is empty, and there can only be one such member in an answer.
func Parts(parts ...llm.Part) Step { return Step{parts: parts} }

// Fail answers with an error. In process Generate returns err as it is. On the
// wire an [*llm.APIError] becomes its StatusCode (or the usual one of its Kind),
// an error body in OpenAI's form, and a Retry-After header; any other error is a
// status 500. A StatusCode that is not from 400 to 599 is misuse.
func Fail(err error) Step {
	if err == nil {
		return Step{misuse: errors.New("Fail needs an error")}
	}
	if e, ok := errors.AsType[*llm.APIError](err); ok && e.StatusCode != 0 && !isFailure(e.StatusCode) {
		return Step{misuse: fmt.Errorf("Fail needs a StatusCode from 400 to 599, or 0, not %d", e.StatusCode)}
	}
	return Step{err: err}
}

// Wire answers with exactly this status, header and body, on the wire; a streamed
// and another request get the same. In process a status from 400 on becomes the
// [*llm.APIError] that a client makes of it, as far as the header and a body in
// OpenAI's form say; anything else is an error there that says so. The header is
// copied.
func Wire(status int, header http.Header, body string) Step {
	r := &raw{status: status, header: header.Clone(), body: body}
	return Step{raw: r, misuse: r.wrong()}
}

// Reply answers with what f makes of the request, which f does not change. What
// f leaves empty in the Response is filled in as for other steps, so a Message
// is enough; [Step.Response] helps to build one. Usage that is zero is read from
// RawUsage if that is there, in OpenAI's names. An error is treated as that of
// [Fail], and a Response that the wire cannot carry is an error. On the wire ctx
// ends when the client goes away.
//
// f may run for several requests at once. To answer all requests of a program
// with one function: NewScript(Reply(f).Forever()).
func Reply(f func(ctx context.Context, req *llm.Request) (*llm.Response, error)) Step {
	if f == nil {
		return Step{misuse: errors.New("Reply needs a function")}
	}
	return Step{reply: f}
}

// And joins the contents of s and more to one answer. Whatever the order here,
// an answer holds its reasoning first, then its text, its refusal and its calls,
// as on the wire. Finish, Usage and Delay are taken from the last that sets them.
// Fail, Wire and Reply cannot be joined, and neither can what has a condition or
// a fault be joined to another: put those behind the whole answer.
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

// Finish sets the provider's finish reason, such as "length" or
// "content_filter". Empty: the provider gives none.
func (s Step) Finish(raw string) Step {
	s.finish = &raw
	return s
}

// NativeFinish sets the "native_finish_reason" that routers send beside the
// finish reason.
func (s Step) NativeFinish(raw string) Step {
	s.native = raw
	return s
}

// Usage sets what the answer costs. The zero Usage: the provider reports none.
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

// Forever makes the step answer all requests that are still to come, be there
// none or many. No step can follow it.
func (s Step) Forever() Step {
	s.forever = true
	return s
}

// When gives the step a condition: it answers the first request for which match
// is true that no earlier condition took, whatever steps without a condition
// are left. Of several conditions all must hold. match is called for each
// request, perhaps for several at once, and changes nothing.
//
// Conditions of use to many are [LastUser], [HasResult] and [Turn].
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

// With is this answer with a fault. [Late] and [ContentType] go with each other
// and with any other; of the others an answer has one, and Fail and Wire, which
// are no answers, have none.
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
		s.misuse = fmt.Errorf("%s: Fail and Wire are no answers that could have the fault", f)
	case s.fault.kind != noFault:
		s.misuse = fmt.Errorf("an answer has one fault, not %s and %s", s.fault, f)
	case f.kind == statusFault:
		s.fault, s.raw = f, f.raw
	default:
		s.fault = f
	}
	return s
}

// Response returns the answer that the step describes, as far as the step says
// it, or its error. It is for functions given to [Reply]:
//
//	return llmtest.Calls("get_weather", args).Response()
func (s Step) Response() (*llm.Response, error) {
	switch {
	case s.wrong() != nil:
		return nil, fmt.Errorf("llmtest: %w", s.wrong())
	case s.raw != nil:
		return nil, s.raw.inProcess()
	case s.err != nil:
		return nil, s.err
	case s.reply != nil:
		return nil, errors.New("llmtest: a Reply has no response before it is asked")
	}
	resp := &llm.Response{Message: llm.Message{Role: llm.RoleAssistant, Parts: s.parts}}
	s.adjust(resp)
	return canonical(resp), nil
}

// wrong reports what is wrong with the step itself.
func (s Step) wrong() error {
	if s.misuse != nil {
		return s.misuse
	}
	return checkParts(s.parts)
}

// adjust writes what the step overrides into resp.
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
