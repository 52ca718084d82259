package openai

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// Event is one event of [ReadEvents].
type Event struct{ Name, Data string }

// ReadEvents reads all events of r.
func ReadEvents(r io.Reader, max int) (events []Event, err error) {
	reader := newEventReader(r, max)
	defer reader.release()
	for {
		e, err := reader.next()
		if err != nil {
			return events, err
		}
		events = append(events, Event{e.name, string(e.data)})
	}
}

// EncodedBytes returns how many bytes of messages were ever encoded into the
// memo, in the zero profile or in p.
func EncodedBytes(memo *llm.Memo, p ...Profile) int {
	profile := append(p, Profile{})[0]
	h, ok := memo.Slot(newMessageSlot(profile.messageRules(DefaultMaxResultBytes)).key, func() any { return nil }).(*messageCache)
	if !ok {
		return 0
	}
	return h.encoded
}

// RetryAfter is retryAfter for a header and a body.
func RetryAfter(h http.Header, body string, now time.Time) time.Duration {
	return retryAfter(h, readErrorBody([]byte(body)), now)
}

// SharedTransport is the transport of all models without a client of their own.
func SharedTransport() http.RoundTripper { return sharedTransport() }

// TimersLeft returns how many timers of a watch still run after it was stopped.
func TimersLeft(ctx context.Context) (n int) {
	w := new(timeLimits)
	w.ring = w.check
	w.start(ctx, &Config{})
	w.startFirstByte()
	w.limitRest(time.Hour)
	w.limitRest(time.Minute)
	w.stop()
	w.limitRest(time.Hour)
	if w.timer.Stop() {
		n++
	}
	return n
}

// DecodeStream decodes a streamed answer. If general is true, DecodeStream reads each
// chunk in the general way.
func DecodeStream(api API, body io.Reader, general bool, tools []llm.ToolDef, sink func(llm.Delta)) (*llm.Response, error) {
	return decodeInto(new(completion), api, body, general, tools, sink)
}

func decodeInto(a *completion, api API, body io.Reader, general bool, tools []llm.ToolDef, sink func(llm.Delta)) (*llm.Response, error) {
	c := newClient(Config{BaseURL: "http://in.memory"}, "m")
	ctx := context.Background()
	w := new(timeLimits)
	w.ring = w.check
	w.start(ctx, &c.Config)
	defer w.stop()
	req, err := http.NewRequestWithContext(w.context(), http.MethodPost, "http://in.memory", nil)
	if err != nil {
		return nil, err
	}
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}}
	x := &responseReader{client: c, model: "m", limits: w, caller: ctx, req: req, resp: resp, body: body, general: general}
	return x.response(a, api, &llm.Request{Tools: tools, Stream: true}, func(d llm.Delta) error {
		sink(d)
		return nil
	})
}

// UsedMemory is the memory of the answers that it decodes, one after the other.
type UsedMemory struct{ answer completion }

// Decode decodes an answer.
func (u *UsedMemory) Decode(body io.Reader, tools []llm.ToolDef, sink func(llm.Delta)) (*llm.Response, error) {
	defer u.answer.clean()
	return decodeInto(&u.answer, APIChat, body, false, tools, sink)
}

// Unclean returns the names of the fields of a generation that differ between new memory, and
// memory with something in every field that was cleaned.
func Unclean() (names []string) {
	a := fresh()
	fill(reflect.ValueOf(a).Elem(), func(name string) bool {
		return !slices.Contains([]string{"emit", "again", "ring", "trace", "mu", "interrupt"}, name)
	})
	a.clean()
	for _, list := range []*memberSet{&a.first.answer.extra, &a.first.answer.members} {
		list.list, list.block, list.free = nil, nil, nil
	}
	a.segments = nil
	a.first.answer.content, a.first.answer.calls.list = nil, nil // their memory stays
	a.first.answer.calls.byIndex, a.first.answer.calls.byID = nil, nil
	return slices.DeleteFunc(different("", reflect.ValueOf(a).Elem(), reflect.ValueOf(fresh()).Elem()), func(name string) bool {
		return name == "first.bare.usual.header" // its memory stays, too; clean empties it
	})
}

// fill sets the fields of a struct to values that are not zero, as far as kinds have one.
func fill(v reflect.Value, wanted func(name string) bool) {
	for i := range v.NumField() {
		if !wanted(v.Type().Field(i).Name) {
			continue
		}
		f := reflect.NewAt(v.Field(i).Type(), v.Field(i).Addr().UnsafePointer()).Elem()
		switch f.Kind() {
		case reflect.Struct:
			fill(f, wanted)
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int, reflect.Int64:
			f.SetInt(7)
		case reflect.String:
			f.SetString("used")
		case reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
		case reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		case reflect.Map:
			f.Set(reflect.MakeMap(f.Type()))
		}
	}
}

// different returns the paths of the fields of a that are not zero and that are zero in b.
func different(path string, a, b reflect.Value) (names []string) {
	for i := range a.NumField() {
		name := path + a.Type().Field(i).Name
		if f, g := a.Field(i), b.Field(i); f.Kind() == reflect.Struct {
			names = append(names, different(name+".", f, g)...)
		} else if f.IsZero() != g.IsZero() {
			names = append(names, name)
		}
	}
	return names
}

// OpenBody returns a reader of a request body in segments.
func OpenBody(segments ...[]byte) io.ReadCloser {
	return &bodyReader{rest: segments}
}

// An EncoderPair encodes a conversation twice: as requests do, and with the general encoder
// alone.
type EncoderPair struct {
	fast, general         encoder
	fastBytes, otherBytes []byte
	n                     int
}

// NewEncoderPair returns a pair for a profile.
func NewEncoderPair(p Profile, maxResult int64) *EncoderPair {
	rules := p.messageRules(maxResult)
	return &EncoderPair{fast: encoder{rules: &rules}, general: encoder{rules: &rules}}
}

// Add encodes a message with both. It returns what differs, as "" for nothing, and whether
// the fast path took the message.
func (e *EncoderPair) Add(m llm.Message) (difference string, usual bool) {
	next := e.fast
	b, usual := next.plain(e.fastBytes, m, e.n)
	var err error
	if !usual {
		if !reflect.DeepEqual(next, e.fast) {
			return fmt.Sprintf("the fast path declined %v, and changed %+v to %+v", m, e.fast, next), false
		}
		b, err = next.append(e.fastBytes, m, e.n)
	}
	other := e.general
	b2, err2 := other.append(e.otherBytes, m, e.n)
	if fmt.Sprint(err) != fmt.Sprint(err2) {
		return fmt.Sprintf("%v, %v", err, err2), usual
	}
	if err != nil {
		return "", usual
	}
	e.fast, e.fastBytes, e.general, e.otherBytes, e.n = next, b, other, b2, e.n+1
	if string(b) != string(b2) {
		return fmt.Sprintf("%s\n%s", b, b2), usual
	}
	end, notes, err := next.end()
	end2, notes2, err2 := other.end()
	if !reflect.DeepEqual(next, other) || string(end) != string(end2) || !slices.Equal(notes, notes2) || fmt.Sprint(err) != fmt.Sprint(err2) {
		return fmt.Sprintf("after %s:\n%+v %s %q %v\n%+v %s %q %v", b, next, end, notes, err, other, end2, notes2, err2), usual
	}
	return "", usual
}

// PooledConn is a connection of the shared transport.
type PooledConn = pooledConn

const AheadSize = aheadSize

func (c *pooledConn) Join(joins bool) { c.join(joins) }

// HasBuffer reports whether c has one of the shared buffers.
func (c *pooledConn) HasBuffer() bool { return c.ahead != nil || c.head != nil }
