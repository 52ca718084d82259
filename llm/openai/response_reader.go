package openai

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// A responseReader is a request that was sent, with the response.
type responseReader struct {
	client *client
	model  string // the model of the request
	limits *timeLimits
	caller context.Context
	req    *http.Request
	resp   *http.Response
	body   io.Reader
	kept   io.LimitedReader // of body

	general bool // chunks are read in the general way only; see chunkShape
}

// drainTime and drainBytes limit reading after the end of an answer, for reuse
// of the connection.
const (
	drainTime  = 100 * time.Millisecond
	drainBytes = 64 << 10
)

// finishTime limits the wait after the finish reason: for the usage and [DONE].
const finishTime = 10 * time.Second

// completion reads a response of any form into a.
func (x *responseReader) completion(a *completion) (*llm.Response, error) {
	err := x.decode(func(r io.Reader) error { return x.document(r, a) }, func(r io.Reader) error { return x.stream(r, a) })
	if err != nil {
		return nil, err
	}
	if err := x.overflowError(a); err != nil {
		return nil, err
	}
	resp := a.response()
	resp.RequestID = requestID(x.resp.Header)
	resp.RateLimits = rateLimits(x.resp.Header, time.Now())
	return resp, nil
}

// checkStatus returns an error unless the response can be an answer.
func (x *responseReader) checkStatus() error {
	enc := x.resp.Header.Get("Content-Encoding")
	encoded := enc != "" && !strings.EqualFold(enc, "identity")
	switch {
	case encoded && x.resp.StatusCode >= 300:
		x.body = strings.NewReader(fmt.Sprintf("the error is encoded as %q, which was not asked for", clip.Bytes(enc, 40)))
		return x.statusError()
	case encoded:
		return x.malformed(fmt.Sprintf("the answer is encoded as %q, which was not asked for", clip.Bytes(enc, 40)))
	case x.resp.StatusCode >= 300:
		return x.statusError()
	}
	return nil
}

// bodyReaders are the readers of bodies that were read.
var bodyReaders = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}

// decode tells a stream from a document by the first byte. Servers confuse the
// two, and send wrong content types.
func (x *responseReader) decode(document, stream func(io.Reader) error) error {
	if err := x.checkStatus(); err != nil {
		return err
	}
	r := bodyReaders.Get().(*bufio.Reader)
	r.Reset(x.body)
	defer func() {
		r.Reset(nil)
		bodyReaders.Put(r)
	}()
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
	case first == '<' || !x.isEventStream() && !looksLikeEvents(peek(r)):
		return x.malformed("the answer is neither JSON nor a stream of events: " + excerpt(readSome(r)))
	}
	return stream(r)
}

func (x *responseReader) isEventStream() bool {
	return strings.Contains(strings.ToLower(x.resp.Header.Get("Content-Type")), "event-stream")
}

// endsAnywhere reports whether the body ends with the connection, so that the
// end proves nothing.
func (x *responseReader) endsAnywhere() bool {
	return x.resp.ProtoMajor == 1 && x.resp.ContentLength < 0 && len(x.resp.TransferEncoding) == 0 && !x.resp.Uncompressed
}

// firstByte skips a byte order mark and white space. Some providers send white
// space to keep the connection alive.
func firstByte(r *bufio.Reader) (byte, error) {
	if mark, _ := r.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = r.Discard(len(mark))
	}
	for {
		c, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		if !rawjson.IsSpace(c) {
			return c, r.UnreadByte()
		}
	}
}

func looksLikeEvents(start []byte) bool {
	for _, field := range []string{":", "data:", "event:", "id:", "retry:", "error:"} {
		if bytes.HasPrefix(start, []byte(field)) {
			return true
		}
	}
	return false
}

func peek(r *bufio.Reader) []byte {
	start, _ := r.Peek(len("event:"))
	return start
}

// readSome reads as much of a useless body as an error shows.
func readSome(r io.Reader) []byte {
	some, _ := io.ReadAll(io.LimitReader(r, drainBytes))
	return some
}

// bodies are buffers for whole bodies.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// withBuffer calls read with a buffer. No answer may keep any bytes of the buffer.
func withBuffer(read func(*bytes.Buffer) error) error {
	space := bodies.Get().(*bytes.Buffer)
	defer func() {
		space.Reset()
		bodies.Put(space)
	}()
	return read(space)
}

// wholeBody reads a body with one JSON value into space. After an error, wholeBody
// returns the bytes so far.
func (x *responseReader) wholeBody(r io.Reader, space *bytes.Buffer) ([]byte, error) {
	if n := x.resp.ContentLength; n > 0 && n < maxKept {
		space.Grow(int(n) + bytes.MinRead)
	}
	x.kept = io.LimitedReader{R: r, N: maxKept}
	_, err := space.ReadFrom(&x.kept)
	data := space.Bytes()
	if err == nil && len(data) == maxKept { // the rest of a long body gets memory of its own
		data, err = io.ReadAll(io.MultiReader(bytes.NewReader(data), r))
	}
	if err != nil {
		return nil, err
	}
	data = valid(data)
	if !rawjson.Valid(data) {
		if errors.Is(json.NewDecoder(bytes.NewReader(data)).Decode(new(json.RawMessage)), io.ErrUnexpectedEOF) {
			return data, x.truncated("the answer ends in the middle of its JSON")
		}
		return data, x.malformed("the answer is not JSON: " + excerpt(data))
	}
	return bytes.TrimSpace(data), nil
}

// isStream reports whether more values or events follow the first JSON value in
// data.
func isStream(data []byte) bool {
	d := json.NewDecoder(bytes.NewReader(data))
	if d.Decode(new(json.RawMessage)) != nil {
		return false
	}
	rest := bytes.TrimSpace(data[d.InputOffset():])
	return rawjson.Kind(rest) == '{' || looksLikeEvents(rest) || isDone(rest)
}

// document reads a whole answer.
func (x *responseReader) document(r io.Reader, a *completion) error {
	return withBuffer(func(space *bytes.Buffer) error { return x.documentIn(space, r, a) })
}

func (x *responseReader) documentIn(space *bytes.Buffer, r io.Reader, a *completion) error {
	data, err := x.wholeBody(r, space)
	switch {
	case err != nil && isStream(data):
		return x.stream(bytes.NewReader(data), a)
	case err != nil:
		return err
	}
	if err := x.bodyError(data); err != nil {
		return err
	}
	if err := a.document(data, true); err != nil {
		return err
	}
	if !a.hasChoice {
		return x.noChoiceError(data)
	}
	return a.finalize()
}

func valid(data []byte) []byte {
	if utf8.Valid(data) {
		return data
	}
	return bytes.ToValidUTF8(data, []byte("\uFFFD"))
}

// stream reads events until [DONE] or the end. The table at streamState
// decides about the answer.
func (x *responseReader) stream(r io.Reader, a *completion) error {
	events := x.events(r)
	defer events.release()
	a.shape = new(chunkShape)
	for good := false; ; good = true {
		if err := readUsual(a, events); err != nil {
			return x.lateError(a, err)
		}
		e, err := x.nextEvent(events)
		switch {
		case err == nil && isDone(e.data):
			x.drain(r)
			return x.streamEnd(a, true)
		case errors.Is(err, io.EOF):
			return x.streamEnd(a, false)
		case err != nil:
			return x.brokenStream(a, err)
		case e.cut && a.stream.isWhole() && !rawjson.Valid(e.data):
			return a.finalize() // as if the connection had broken: its end is that of the stream
		}
		if usual, err := readUsualEvent(a, events, e); usual {
			if err != nil {
				return x.lateError(a, err)
			}
			continue
		}
		before := a.stream
		a.stream.beginEvent()
		if err := x.event(e, a, good); err != nil {
			return x.lateError(a, err)
		}
		a.stream.endEvent()
		if p := a.stream; p.finished && !before.finished || before.finished && p.pieces > before.pieces { // some gateways say "stop" in every event
			x.limits.limitRest(finishTime)
		}
	}
}

// brokenStream decides about a stream that could not be read to the end.
func (x *responseReader) brokenStream(a *completion, err error) error {
	switch {
	case x.caller.Err() != nil:
		return err
	case a.stream.isWhole():
		return a.finalize() // all that counts had come before the connection broke
	case a.stream.unknown != "":
		return x.truncated("the stream broke off, and holds an unknown event: " + a.stream.unknown)
	case a.stream.resumed:
		return x.truncated("the stream broke off while it went on behind its finish reason")
	}
	return err
}

// lateError decides about an error in the stream. After the finish reason of a
// complete answer, a notice reports the error and the answer stays.
func (x *responseReader) lateError(a *completion, err error) error {
	e, told := errors.AsType[*llm.APIError](err)
	if !told || !a.survives(e) {
		return err
	}
	if err := a.emit(llm.Notice{Text: "the provider reported an error behind the end of its answer, and the answer stays: " + e.Error()}); err != nil {
		return err
	}
	return a.finalize()
}

// events reads the events of a body.
func (x *responseReader) events(r io.Reader) *eventReader {
	limit := size(x.client.MaxEventBytes, DefaultMaxEventBytes, size(x.client.MaxResponseBytes, DefaultMaxResponseBytes, 1<<40))
	return newEventReader(r, int(limit))
}

// nextEvent skips events without content, and comments that a proxy sent as
// data.
func (x *responseReader) nextEvent(events *eventReader) (event, error) {
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

// checkEvent returns an error for an event that is not JSON. good says that an
// earlier event was JSON.
func (x *responseReader) checkEvent(e event, good bool) error {
	switch {
	case rawjson.Valid(e.data):
		return nil
	case e.name == "error": // words are as good
		return x.apiError(readErrorBody(e.data), x.resp.StatusCode)
	case e.cut:
		return x.truncated("the stream ended in the middle of an event")
	case good || e.data[0] == '{': // it was one before something came between
		return x.truncated("the stream was damaged: an event is not JSON: " + excerpt(e.data))
	}
	return x.malformed("an event is not JSON: " + excerpt(e.data))
}

func (x *responseReader) event(e event, a *completion, good bool) error {
	if e.bare && e.name != "error" && (!rawjson.Valid(e.data) || rawjson.Kind(e.data) != '{') {
		a.stream.sawUnknown(e.data)
		return nil
	}
	if err := x.checkEvent(e, good); err != nil {
		return err
	}
	if err := x.bodyError(e.data); err != nil {
		return err
	}
	if e.name == "error" {
		return x.apiError(readErrorBody(e.data), x.resp.StatusCode)
	}
	if e.bare && rawjson.IsEmpty(rawjson.Member(e.data, "choices")) {
		a.stream.sawUnknown(e.data)
		return nil
	}
	if rawjson.Kind(e.data) == '[' { // passed over, what it says would be missing
		return x.malformed("an event is a list: " + excerpt(e.data))
	}
	if err := a.document(e.data, false); err != nil {
		return err
	}
	if !a.hasChoice {
		a.beforeChoice = append(a.beforeChoice[:0], e.data[:min(len(e.data), maxBeside)]...)
		return nil
	}
	if !x.general {
		a.shape.learn(a, e.data)
	}
	return nil
}

// maxBeside limits the stored bytes of an event without a choice.
const maxBeside = 16 << 10

// drain reads the few bytes left, so that the connection can be reused.
func (x *responseReader) drain(r io.Reader) {
	x.limits.limitRest(drainTime)
	_, _ = io.CopyN(io.Discard, r, drainBytes)
}

// streamEnd decides about a stream that ended with or without [DONE].
func (x *responseReader) streamEnd(a *completion, done bool) error {
	if !a.hasChoice && a.stream.unknown == "" {
		if err := x.emptyStreamError(a); err != nil {
			return err
		}
		if done {
			return x.malformed("the stream holds no choice")
		}
	}
	if why := a.incompleteReason(done, neverFinishes(x.req.URL.Hostname(), x.model)); why != "" {
		return x.truncated(why)
	}
	return a.finalize()
}

// emptyStreamError returns the reason why a stream has no choice, if its last event gives
// the reason.
func (x *responseReader) emptyStreamError(a *completion) error {
	if a.hasChoice || !rawjson.Valid(a.beforeChoice) {
		return nil
	}
	return x.statedError(a.beforeChoice)
}
