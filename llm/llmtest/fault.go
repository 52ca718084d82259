package llmtest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// A Fault is a failure of an answer: see [Step.With] and [Faults]. The zero Fault means no
// fault.
//
// On the wire a fault is bytes, and the client decides about their meaning. In process,
// a fault has the effect that package openai would report for these bytes: usually an
// error. The timeouts of the client are taken to be longer than the waits of the fault.
// The exception is [Stall]: in process, the wait of Stall is the timeout of the client.
//
// A streamed answer is a first event, the pieces of the answer, and an event with the
// finish reason (on the Responses API: the terminal event). The first event and the event
// with the finish reason are not pieces. If "after" exceeds the number of pieces, the fault
// comes after the last piece, and no finish reason is sent. The comment of each fault also
// says what happens without streaming.
type Fault struct {
	kind   faultKind
	name   string
	after  int           // pieces, or bytes
	wait   time.Duration // of Late and Stall
	raw    *raw          // of Status
	err    *llm.APIError // of ErrorEvent
	data   string        // of GarbageEvent, and the type of ContentType
	misuse error
}

type faultKind int

const (
	noFault faultKind = iota
	statusFault
	lateFault
	stallFault
	cutFault
	cutBytesFault
	resetFault
	errorFault
	garbageFault
	typeFault
)

// String names the fault in a few words, such as "cut after 2 pieces".
func (f Fault) String() string { return cmp.Or(f.name, "no fault") }

// Status replaces the scripted answer by exactly this status, header and body,
// as [Wire] does. The code is from 400 to 599.
func Status(code int, header http.Header, body string) Fault {
	f := Fault{kind: statusFault, raw: &raw{status: code, header: header.Clone(), body: body}}
	f.name = fmt.Sprintf("status %d", code)
	for _, name := range []string{"Retry-After", "Retry-After-Ms"} {
		if v := header.Get(name); v != "" {
			f.name += fmt.Sprintf(" with %s %s", name, v)
		}
	}
	if !isFailure(code) {
		f.misuse = fmt.Errorf("Status needs a code from 400 to 599, not %d", code)
	}
	return f
}

// Late delays the header of the answer by d. The answer is whole.
func Late(d time.Duration) Fault {
	f := Fault{kind: lateFault, wait: d, name: fmt.Sprintf("late by %v", d)}
	if d <= 0 {
		f.misuse = fmt.Errorf("Late needs a time, not %v", d)
	}
	return f
}

// Stall stops the answer after the given number of pieces, or between header and
// body without streaming, and sends nothing more. On the wire, the server cuts the
// connection after d, unless the client has gone by then. In process, d is the timeout
// of the client: after d, Generate returns an error of kind timeout. Zero means silence
// until the client goes away, or in process until ctx ends.
func Stall(after int, d time.Duration) Fault {
	f := Fault{kind: stallFault, after: after, wait: d, name: fmt.Sprintf("stall for %v after %s", d, clip.Count(after, "piece"))}
	if d == 0 {
		f.wait, f.name = forever, fmt.Sprintf("stall after %s", clip.Count(after, "piece"))
	}
	if d < 0 {
		f.misuse = fmt.Errorf("Stall needs a time, or zero, not %v", d)
	}
	return f.checked()
}

// Cut ends the connection after the given number of pieces, or after half of the
// body without streaming. The error's kind is truncated.
func Cut(after int) Fault {
	return Fault{kind: cutFault, after: after, name: "cut after " + clip.Count(after, "piece")}.checked()
}

// CutBytes ends the connection after n bytes of the body. The error's kind is
// truncated, unless a stream's finish reason came before. An answer of at most n
// bytes is whole. In process, n counts the bytes that the answer would have on the
// wire; for a stream, as if the client had set "include_usage".
func CutBytes(n int) Fault {
	return Fault{kind: cutBytesFault, after: n, name: "cut after " + clip.Count(n, "byte")}.checked()
}

// Reset resets the connection after the given number of pieces, or after half of the
// body without streaming. -1 means a reset in place of any answer. The error's kind
// is network. On the wire, a connection other than TCP is cut instead, and
// systems other than Linux may lose the last bytes before the reset.
func Reset(after int) Fault {
	f := Fault{kind: resetFault, after: after, name: "reset after " + clip.Count(after, "piece")}
	if after == -1 {
		f.name = "reset before the answer"
		return f
	}
	return f.checked()
}

// ErrorEvent ends a stream with an error after the given number of pieces. Without
// streaming, the answer is the error, with status 200. The event has the error in the
// member "error", in OpenAI's form with a "status". The kind becomes server if the
// provider's form cannot express the kind of err (such as truncated). The kind also
// becomes server if clients know the kind only from an HTTP status and err has no such
// status. A RetryAfter is lost, because the event has no header.
func ErrorEvent(after int, err *llm.APIError) Fault {
	f := Fault{kind: errorFault, after: after, name: "error event after " + clip.Count(after, "piece")}
	if err == nil {
		f.misuse = errors.New("ErrorEvent needs an error")
		return f
	}
	e := *err
	usual := usualError(e.Kind)
	e.StatusCode = statusOf(err)
	e.Message, e.Type, e.Code = cmp.Or(e.Message, usual.message), cmp.Or(e.Type, usual.kind), cmp.Or(e.Code, usual.code)
	e.Provider, e.RetryAfter = cmp.Or(e.Provider, provider), 0
	e.Kind = kindOf(e.StatusCode, e.Code, e.Type)
	e.Code = cmp.Or(e.Code, usualError(e.Kind).code)
	f.err, f.name = &e, fmt.Sprintf("error event %s after %s", e.Kind, clip.Count(after, "piece"))
	return f.checked()
}

// GarbageEvent sends data, an event that is not JSON, after the given number of pieces.
// The rest of the stream follows, for clients that ignore the bad event. Without
// streaming, data is the body. The error's kind is truncated for a stream, because the
// stream was good so far, and for a body that begins like JSON and ends too soon.
// Otherwise the kind is malformed. data must be neither JSON nor a line that has a
// meaning in a stream, such as "data: …".
func GarbageEvent(after int, data string) Fault {
	f := Fault{kind: garbageFault, after: after, data: data, name: fmt.Sprintf("garbage event after %s", clip.Count(after, "piece"))}
	field, _, _ := strings.Cut(data, ":")
	switch {
	case strings.TrimSpace(data) == "", strings.ContainsAny(data, "\r\n"), json.Valid([]byte(data)), strings.Trim(data, " \t\"") == "[DONE]",
		slices.Contains([]string{"", "data", "event", "id", "retry"}, strings.TrimSpace(field)):
		f.misuse = fmt.Errorf("GarbageEvent needs a line that is neither JSON nor a line of a stream, not %q", data)
	}
	return f.checked()
}

// ContentType sends the whole answer under this Content-Type. Empty means no
// Content-Type. Clients that look at the body ignore the header, and in process
// nothing changes.
func ContentType(value string) Fault {
	return Fault{kind: typeFault, data: value, name: fmt.Sprintf("content type %q", value)}
}

func (f Fault) checked() Fault {
	if f.after < 0 && f.misuse == nil {
		f.misuse = fmt.Errorf("%s: the count must not be negative", f.name)
	}
	return f
}

// apply changes the frames of an answer as the fault requires.
func (f *Fault) apply(p *reply, a *answer, q *wireRequest) {
	switch f.kind {
	case cutBytesFault:
		p.cutBytes(f.after)
		return
	case noFault, statusFault, lateFault, typeFault: // no effect on the frames, or applied before
		return
	}
	if !q.request.Stream {
		f.applyWhole(p)
		return
	}
	n := 1 + min(f.after, len(a.pieces)) // behind the role
	rest := p.frames[n:]
	p.frames = slices.Clone(p.frames[:n])
	switch f.kind {
	case cutFault:
		p.end = endsCut
	case resetFault:
		p.end = endsReset
	case stallFault:
		p.frames, p.end = append(p.frames, frame{wait: f.wait}), endsCut
	case errorFault:
		p.frames = append(p.frames, frame{wait: a.delay, data: f.errorEvent(p.frames, q.responses)})
	case garbageFault:
		p.frames = append(append(p.frames, frame{wait: a.delay, data: event(f.data)}), rest...)
	}
}

// applyWhole is apply for an answer without streaming, which is a single frame.
func (f *Fault) applyWhole(p *reply) {
	doc := &p.frames[0]
	doc.whole = false
	switch f.kind {
	case cutFault:
		doc.data, p.end = doc.data[:len(doc.data)/2], endsCut
	case resetFault:
		doc.data, p.end = doc.data[:len(doc.data)/2], endsReset
	case stallFault:
		*doc, p.end = frame{wait: f.wait}, endsCut
	case errorFault:
		doc.data = f.errorDocument() + "\n"
	case garbageFault:
		doc.data = f.data
	}
}

// errorEvent returns the error as the event of a stream after the frames. An event of the
// Responses API has a number: the official clients refuse an event without one.
func (f *Fault) errorEvent(frames []frame, responses bool) string {
	if !responses {
		return event(f.errorDocument())
	}
	body := errorBody(f.err)
	body.Set("status", f.err.StatusCode)
	doc := rawjson.Object{}
	doc.Set("type", "error")
	doc.Set("sequence_number", events(frames))
	doc.Set("error", body)
	return "event: error\n" + event(doc.String())
}

// events returns the number of events in the frames.
func events(frames []frame) (n int) {
	for _, f := range frames {
		n += strings.Count(f.data, "\n\n")
	}
	return n
}

func (f *Fault) errorDocument() string {
	body := errorBody(f.err)
	body.Set("status", f.err.StatusCode)
	doc := rawjson.Object{}
	doc.Set("error", body)
	return doc.String()
}

// cutBytes ends the reply after n bytes, if it has more.
func (p *reply) cutBytes(n int) {
	for i := range p.frames {
		f := &p.frames[i]
		if n == 0 {
			p.frames, p.end = p.frames[:i], endsCut
			return
		}
		if n < len(f.data) {
			// A client processes a line of a stream at the end of the line, without
			// the empty line behind it.
			f.whole = f.whole && !strings.HasPrefix(f.data, "{") && n == len(f.data)-1
			if n < len(f.data)-1 && f.pieces > 0 {
				f.pieces, f.torn = p.frames[i-1].pieces, true
			}
			f.data = f.data[:n]
			p.frames, p.end = p.frames[:i+1], endsCut
			return
		}
		n -= len(f.data)
	}
}

// An outcome is the result of an answer with a fault, for a client without a timeout.
type outcome struct {
	pieces  int           // received by the client
	silence time.Duration // wait after the pieces
	event   bool          // the failure is an event, so it comes after the delay of a piece
	err     error         // nil if the answer is whole
	usage   bool          // the whole answer includes its usage
}

// outcome returns the outcome of the answer in process.
func (a *answer) outcome(stream bool) outcome {
	f, n := &a.fault, len(a.pieces)
	switch f.kind {
	case noFault, statusFault, lateFault, typeFault:
		return outcome{pieces: n, usage: true}
	case cutBytesFault:
		return a.outcomeOfBytes(stream)
	}
	out := outcome{pieces: min(f.after, n), event: stream && (f.kind == errorFault || f.kind == garbageFault)}
	var err *llm.APIError
	switch f.kind {
	case cutFault:
		err = faultError(llm.KindTruncated, f, io.ErrUnexpectedEOF)
	case resetFault:
		err = faultError(llm.KindNetwork, f, errReset())
	case stallFault:
		out.silence, err = f.wait, faultError(llm.KindTimeout, f, nil)
	case errorFault:
		err = new(*f.err)
	case garbageFault:
		err = f.garbage(stream)
	}
	if f.kind == errorFault || f.kind == garbageFault {
		err.RequestID = a.resp.RequestID // an answer of a provider has an id, a broken connection has no id
	}
	out.err = err
	return out
}

func (a *answer) outcomeOfBytes(stream bool) outcome {
	p := &reply{frames: a.encode(stream, true)}
	all := len(p.frames)
	p.cutBytes(a.fault.after)
	if p.end == endsWell {
		return outcome{pieces: len(a.pieces), usage: true}
	}
	var last frame
	if n := len(p.frames); n > 0 {
		last = p.frames[n-1]
	}
	out := outcome{pieces: last.pieces}
	if last.torn {
		out.silence = last.wait
	}
	if !slices.ContainsFunc(p.frames, func(f frame) bool { return f.whole }) {
		out.err = faultError(llm.KindTruncated, &a.fault, io.ErrUnexpectedEOF)
	}
	// The second-last frame has the usage.
	out.usage = len(p.frames) == all || len(p.frames) == all-1 && strings.HasSuffix(last.data, "\n")
	return out
}

// garbage returns the error that a client makes of the data.
func (f *Fault) garbage(stream bool) *llm.APIError {
	e := faultError(f.garbageKind(stream), f, nil)
	if e.Kind == llm.KindMalformed {
		e.StatusCode = http.StatusOK // a complete answer without meaning
	} else {
		e.Err = io.ErrUnexpectedEOF
	}
	return e
}

// garbageKind returns the kind of the error.
func (f *Fault) garbageKind(stream bool) llm.ErrorKind {
	var doc json.RawMessage
	err := json.NewDecoder(bytes.NewReader([]byte(f.data))).Decode(&doc)
	like := strings.ContainsAny(strings.TrimSpace(f.data)[:1], "{[")
	if stream || like && errors.Is(err, io.ErrUnexpectedEOF) {
		return llm.KindTruncated
	}
	return llm.KindMalformed
}

// provider is the Provider of a script's errors in process.
const provider = "llmtest"

func faultError(kind llm.ErrorKind, f *Fault, cause error) *llm.APIError {
	return &llm.APIError{Kind: kind, Provider: provider, Message: f.String(), Err: cause}
}

// A resetError is a connection reset in place of any answer.
type resetError struct{ err error }

func (h *resetError) Error() string { return h.err.Error() }

func (h *resetError) Unwrap() error { return h.err }
