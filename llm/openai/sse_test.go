package openai_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/mutant"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	one := func(data ...string) (events []openai.Event) {
		for _, d := range data {
			events = append(events, openai.Event{Data: d})
		}
		return events
	}
	for _, tt := range []struct {
		name, in string
		want     []openai.Event
	}{
		{name: "nothing"},
		{name: "LF", in: "data: {\"a\":1}\n\ndata: b\n\n", want: one(`{"a":1}`, "b")},
		{name: "CRLF", in: "data: a\r\n\r\ndata: b\r\n\r\n", want: one("a", "b")},
		{name: "CR", in: "data: a\r\rdata: b\r\r", want: one("a", "b")},
		{name: "mixed", in: "data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", want: one("a", "b", "c")},
		{name: "no space", in: "data:a\n\n", want: one("a")},
		{name: "one space is taken", in: "data:  a \n\n", want: one(" a ")},
		{name: "a space before", in: " data: a\n\n", want: one("a")},
		{name: "byte order mark", in: "\xef\xbb\xbfdata: a\n\n", want: one("a")},
		{name: "comments", in: ": hi\n\n:\n\ndata: a\n: in between\n\n: bye", want: one("a")},
		{name: "several lines", in: "data: {\"a\":\ndata: 1}\n\n", want: one("{\"a\":\n1}")},
		{name: "a document on each of two lines", in: "data: {\"a\":\"}{\\\"\"}\ndata: {}\n\n", want: one(`{"a":"}{\""}`, "{}")},
		{name: "no empty lines at all", in: "data: {}\ndata: [1]\ndata: {}\ndata: [DONE]\n", want: one("{}", "[1]", "{}", "[DONE]")},
		{name: "done ends at once", in: "data: [DONE]\ndata: a\n\n", want: one("[DONE]", "a")},
		{name: "done in quotes", in: "data: \"[DONE]\" \ndata: a\n\n", want: one(`"[DONE]" `, "a")},
		{name: "names", in: "event: error\nid: 1\nretry: 5\ndata: a\n\nevent: x\n\ndata: b\n\n", want: []openai.Event{{"error", "a"}, {"", "b"}}},
		{name: "name after the data", in: "data: {}\nevent: error\n\n", want: []openai.Event{{"error", "{}"}}},
		{name: "name of an event without an empty line", in: "event: a\ndata: {}\nevent: b\ndata: {}\n\n", want: []openai.Event{{"b", "{}"}, {"", "{}"}}},
		{name: "no empty line at the end", in: "data: a\n\ndata: b\n", want: one("a", "b")},
		{name: "no line end at the end", in: "data: a\n\ndata: b", want: one("a", "b")},
		{name: "unknown fields", in: "bar: x\nx-y_1: z\ndata: a\nbar: x\n\n", want: one("a")},
		{name: "lines that are no fields", in: "foo\nupstream broke: x\n{\"a\":1}\ndata: a\n\n", want: one("foo", "upstream broke: x", `{"a":1}`, "a")},
		{name: "a damaged field", in: "dat: {\"a\":1}\n\ndata: a\n\n", want: one("dat: {\"a\":1}", "a")},
		{name: "bare JSON over lines", in: "{\n  \"a\": {\n\n: ping\n  \"data\": 1\n}}\ndata: a\n\n", want: one("{\n  \"a\": {\n  \"data\": 1\n}}", "a")},
		{name: "bare JSON without an end", in: "{\n  \"a\": 1\ndata: a\n\n", want: one("{\n  \"a\": 1", "a")},
		{name: "bare JSON between events without empty lines", in: "data: {\"a\":1}\n{\"b\":2}\ndata: {\"c\":3}\n", want: one(`{"a":1}`, `{"b":2}`, `{"c":3}`)},
		{name: "data that goes on without its field", in: "data: {\n \"a\": 1\n}\n\n", want: one("{\n \"a\": 1\n}")},
		{name: "the field error", in: "data: {}\nerror: {\"code\":1}\nerror: it broke\ndata: a\n\n", want: []openai.Event{{"", "{}"}, {"error", `{"code":1}`}, {"error", "it broke"}, {"", "a"}}},
		{name: "a field without a colon", in: "data\n\n", want: one("")},
		{name: "a colon in the data", in: "data: a: b\n\n", want: one("a: b")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, r := range []io.Reader{
				strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in)),
				iotest.HalfReader(strings.NewReader(tt.in)), iotest.DataErrReader(strings.NewReader(tt.in)),
			} {
				got, err := openai.ReadEvents(r, 1<<20)
				require.Equal(t, io.EOF, err)
				require.Equal(t, tt.want, got)
			}
		})
	}
}

func TestEventsOfAnyLength(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 5<<20)
	got, err := openai.ReadEvents(strings.NewReader("data: "+long+"\n\ndata: b\n\n"), 6<<20)
	require.Equal(t, io.EOF, err)
	require.Equal(t, []openai.Event{{Data: long}, {Data: "b"}}, got)
}

func TestEventsUpToTheLimit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		in   io.Reader
	}{
		{"one line", repeat("x")},
		{"many lines", repeat("data: [\n")},
		{"a comment", io.MultiReader(strings.NewReader(":"), repeat(" "))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := openai.ReadEvents(tt.in, 1000)
			require.EqualError(t, err, "an event of the stream is longer than the limit of 1000 bytes")
		})
	}
}

// repeat reads as s over and over, without end.
func repeat(s string) io.Reader { return &endless{s: s} }

type endless struct {
	s  string
	at int
}

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.s[e.at%len(e.s)]
		e.at++
	}
	return len(p), nil
}

func TestEventsBeforeAnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, tt := range []struct {
		name, in string
		want     []openai.Event
	}{
		{"whole", "data: a\n\n", []openai.Event{{Data: "a"}}},
		{"whole but for the empty line", "data: {}\n", []openai.Event{{Data: "{}"}}},
		{"cut", "data: {", nil},
		{"cut, with the line end", "data: {\n", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := openai.ReadEvents(io.MultiReader(strings.NewReader(tt.in), iotest.ErrReader(broken)), 1000)
			require.Equal(t, broken, err)
			require.Equal(t, tt.want, got)
		})
	}
}

// FuzzSSE holds that the events do not depend on how the bytes arrive, and that
// no input panics or hangs.
func FuzzSSE(f *testing.F) {
	seeds := [][]byte{}
	for _, seed := range []string{
		"data: {\"a\":1}\n\ndata: [DONE]\n\n", "data:a\r\n\r\nevent: error\rdata: b\r\r", "\xef\xbb\xbf: c\n\ndata: {\ndata: }\n",
		"data: {\"s\":\"\\\"}\"}\ndata: {}\n\n", "data", "\r\n\r\n", ":\n", "data: \xff\n\n", " data : x\n\n",
	} {
		seeds = append(seeds, []byte(seed))
	}
	for i, seed := range append(seeds, mutant.Of(seeds, 3000)...) {
		f.Add(seed, uint8(i))
	}
	f.Fuzz(func(t *testing.T, in []byte, cut uint8) {
		const max = 1 << 12
		whole, wholeErr := openai.ReadEvents(strings.NewReader(string(in)), max)
		at := int(cut) % (len(in) + 1)
		halves := io.MultiReader(strings.NewReader(string(in[:at])), strings.NewReader(string(in[at:])))
		for _, r := range []io.Reader{iotest.OneByteReader(strings.NewReader(string(in))), halves} {
			got, err := openai.ReadEvents(r, max)
			require.Equal(t, wholeErr, err)
			require.Equal(t, whole, got)
		}
		total := 0
		for _, e := range whole {
			total += len(e.Data)
		}
		require.LessOrEqual(t, total, len(in))
	})
}
