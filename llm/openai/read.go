package openai

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// An exchange is a request that was sent and the response to it.
type exchange struct {
	*client
	watch  *watch
	caller context.Context
	req    *http.Request
	resp   *http.Response
	body   io.Reader
}

// drainTime and drainBytes bound what is read after the end of an answer so
// that the connection can be used again.
const (
	drainTime  = 100 * time.Millisecond
	drainBytes = 64 << 10
)

// finishTime bounds the wait for what follows the finish reason: the usage and
// [DONE].
const finishTime = 10 * time.Second

// read reads the response, whatever it is, into a.
func (x *exchange) read(a *answer) (*llm.Response, error) {
	err := x.decode(func(r io.Reader) error { return x.document(r, a) }, func(r io.Reader) error { return x.stream(r, a) })
	if err != nil {
		return nil, err
	}
	if err := x.overflown(a); err != nil {
		return nil, err
	}
	resp := a.response()
	resp.RequestID = requestID(x.resp.Header)
	return resp, nil
}

// answered returns an error unless the response is an answer that can be read.
func (x *exchange) answered() error {
	enc := x.resp.Header.Get("Content-Encoding")
	encoded := enc != "" && !strings.EqualFold(enc, "identity")
	switch {
	case encoded && x.resp.StatusCode >= 300:
		x.body = strings.NewReader(fmt.Sprintf("the error is encoded as %q, which was not asked for", clip(enc, 40)))
		return x.refused()
	case encoded:
		return x.malformed(fmt.Sprintf("the answer is encoded as %q, which was not asked for", clip(enc, 40)))
	case x.resp.StatusCode >= 300:
		return x.refused()
	}
	return nil
}

// decode looks at the first byte to tell a stream from a document. Servers
// answer one with the other, and call them by wrong types.
func (x *exchange) decode(document, stream func(io.Reader) error) error {
	if err := x.answered(); err != nil {
		return err
	}
	r := bufio.NewReaderSize(x.body, 4<<10)
	first, err := firstByte(r)
	switch {
	case errors.Is(err, io.EOF) && x.isEventStream():
		return x.truncated("the stream ended before its first event")
	case errors.Is(err, io.EOF) && x.endsAnywhere():
		return x.truncated("the connection ended before the answer began")
	case errors.Is(err, io.EOF):
		return x.malformed("the answer is empty")
	case err != nil:
		return err
	case first == '{' || first == '[':
		return document(r)
	case first == '<' || !x.isEventStream() && !looksLikeEvents(r):
		return x.malformed("the answer is neither JSON nor a stream of events: " + excerpt(readSome(r)))
	}
	return stream(r)
}

func (x *exchange) isEventStream() bool {
	return strings.Contains(strings.ToLower(x.resp.Header.Get("Content-Type")), "event-stream")
}

// endsAnywhere reports whether the end of the body is just that of the
// connection, and proves nothing.
func (x *exchange) endsAnywhere() bool {
	return x.resp.ProtoMajor == 1 && x.resp.ContentLength < 0 && len(x.resp.TransferEncoding) == 0 && !x.resp.Uncompressed
}

// firstByte skips a byte order mark and white space, with which some providers
// keep the connection alive.
func firstByte(r *bufio.Reader) (byte, error) {
	if mark, _ := r.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = r.Discard(len(mark))
	}
	for {
		c, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		if !isSpace(c) {
			return c, r.UnreadByte()
		}
	}
}

func looksLikeEvents(r *bufio.Reader) bool {
	start, _ := r.Peek(len("event:"))
	for _, field := range []string{":", "data:", "event:", "id:", "retry:"} {
		if bytes.HasPrefix(start, []byte(field)) {
			return true
		}
	}
	return false
}

// readSome reads as much of a useless body as an error shows of it.
func readSome(r io.Reader) []byte {
	some, _ := io.ReadAll(io.LimitReader(r, drainBytes))
	return some
}

// wholeBody reads a body that is one JSON value.
func (x *exchange) wholeBody(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	data = valid(data)
	if !json.Valid(data) {
		if errors.Is(json.NewDecoder(bytes.NewReader(data)).Decode(new(json.RawMessage)), io.ErrUnexpectedEOF) {
			return nil, x.truncated("the answer ends in the middle of its JSON")
		}
		return nil, x.malformed("the answer is no JSON: " + excerpt(data))
	}
	return bytes.TrimSpace(data), nil
}

// document reads a whole answer.
func (x *exchange) document(r io.Reader, a *answer) error {
	data, err := x.wholeBody(r)
	if err != nil {
		return err
	}
	if err := x.failure(data); err != nil {
		return err
	}
	if err := a.document(data, true); err != nil {
		return err
	}
	if !a.seen {
		return x.noChoice(data)
	}
	return a.settle()
}

func valid(data []byte) []byte {
	if utf8.Valid(data) {
		return data
	}
	return bytes.ToValidUTF8(data, []byte("\uFFFD"))
}

// stream reads events until [DONE], or until the end if a finish reason came.
func (x *exchange) stream(r io.Reader, a *answer) error {
	events := x.events(r)
	goesOn := false // there was more of the answer behind its finish reason
	for good := false; ; good = true {
		e, err := x.nextEvent(events)
		switch {
		case err == nil && isDone(e.data):
			x.drain(r)
			return x.done(a)
		case errors.Is(err, io.EOF):
			return x.ended(a)
		case err != nil && x.caller.Err() == nil && a.finished() && !goesOn:
			return a.settle() // all that counts had come before the connection broke
		case err != nil && x.caller.Err() == nil && goesOn:
			return x.truncated("the stream broke off while it went on behind its finish reason")
		case err != nil:
			return err
		case e.cut && a.finished() && !goesOn && !json.Valid(e.data):
			return a.settle() // the same, where the end of the stream is that of the connection
		}
		open, before := !a.finished(), a.said
		if err := x.event(e, a, good); err != nil {
			return err
		}
		more := !open && a.said > before // some gateways say "stop" in every event
		goesOn = goesOn || more
		if more || open && a.finished() {
			x.watch.leave(finishTime)
		}
	}
}

// events reads the events of a body.
func (x *exchange) events(r io.Reader) *eventReader {
	limit := size(x.MaxEventBytes, DefaultMaxEventBytes, size(x.MaxResponseBytes, DefaultMaxResponseBytes, 1<<40))
	return newEventReader(r, int(limit))
}

// nextEvent skips events without content, and comments that a proxy took for data.
func (x *exchange) nextEvent(events *eventReader) (event, error) {
	for {
		e, err := events.next()
		if err != nil {
			return e, err
		}
		e.data = bytes.TrimSpace(valid(e.data))
		if len(e.data) > 0 && e.data[0] != ':' {
			return e, nil
		}
	}
}

// readable returns an error for an event that is not JSON. good: there was an event
// before it that was.
func (x *exchange) readable(e event, good bool) error {
	switch {
	case json.Valid(e.data):
		return nil
	case e.cut:
		return x.truncated("the stream ended in the middle of an event")
	case good || e.data[0] == '{': // it was one before something came between
		return x.truncated("the stream was damaged: an event is no JSON: " + excerpt(e.data))
	}
	return x.malformed("an event is no JSON: " + excerpt(e.data))
}

func (x *exchange) event(e event, a *answer, good bool) error {
	if err := x.readable(e, good); err != nil {
		return err
	}
	if err := x.failure(e.data); err != nil {
		return err
	}
	if e.name == "error" {
		return x.apiError(readFailure(e.data), x.resp.StatusCode)
	}
	if kind(e.data) == '[' { // passed over, what it says would be missing
		return x.malformed("an event is a list: " + excerpt(e.data))
	}
	if err := a.document(e.data, false); err != nil {
		return err
	}
	if !a.seen {
		a.beside = append(a.beside[:0], e.data[:min(len(e.data), maxBeside)]...)
	}
	return nil
}

// maxBeside bounds what is kept of an event without a choice.
const maxBeside = 16 << 10

// drain reads what little is left, for the sake of the connection.
func (x *exchange) drain(r io.Reader) {
	x.watch.leave(drainTime)
	_, _ = io.CopyN(io.Discard, r, drainBytes)
}

func (a *answer) finished() bool { return a.finish != "" || a.native != "" }

// ended decides about a stream that ended without [DONE]: only a finish reason
// proves that it is whole.
func (x *exchange) ended(a *answer) error {
	if a.finished() {
		return a.settle()
	}
	if err := x.unsaid(a); err != nil {
		return err
	}
	return x.truncated("the stream ended without a finish reason and without [DONE]")
}

// done decides about a stream that ended with [DONE]. Without a finish reason
// the calls must at least be whole.
func (x *exchange) done(a *answer) error {
	switch {
	case !a.seen:
		return cmp.Or(x.unsaid(a), x.malformed("the stream holds no choice"))
	case !a.finished() && a.calls.cut():
		return x.truncated("the stream ended without a finish reason in the middle of a tool call")
	}
	return a.settle()
}

// unsaid returns why a stream holds no choice, if its last event says so.
func (x *exchange) unsaid(a *answer) error {
	if a.seen || !json.Valid(a.beside) {
		return nil
	}
	return x.reason(a.beside)
}
