package event_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/mutant"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// TestUsual: the coder knows every durable event that is not rare.
func TestUsual(t *testing.T) {
	t.Parallel()
	for _, tt := range every {
		e := event.Event{Seq: 7, Time: at, Body: tt.body}
		usual := durable(tt.body)
		data, err := event.Marshal(e)
		require.NoError(t, err)
		require.Equal(t, usual, event.Write(e) != nil, "%T", tt.body)
		require.Equal(t, usual, event.Read(new(event.Event), data), "%s", data)
		inFile := append(data[:len(data)-1:len(data)-1], `,"left":0,"synced":120,"sum":"0123abcd"}`...)
		require.Equal(t, usual, event.Read(new(event.Event), inFile), "%s", inFile)
		escaped, err := json.Marshal(e)
		require.NoError(t, err)
		require.Equal(t, usual, event.Read(new(event.Event), escaped), "%s", escaped)
	}
}

func durable(b event.Body) bool {
	switch b := b.(type) {
	case event.TurnPrepared:
		return b.Offer == nil && b.Chosen == "" && b.Messages == nil && !b.Changed
	case event.ModelAnswered:
		return b.Cost == 0 && b.Work == 0
	case event.LimitReached:
		return b.Message == nil && b.Cost == 0
	case event.Compacted, event.Checked, event.HandedOff, event.TextDelta, event.PartialOutput, event.ReasoningDelta, event.CallDelta, event.ToolProgress, event.Restarted, event.Notice:
		return false
	}
	return true
}

// seeds has the JSON of each event, in the forms that files and encoders give it, and
// events with each kind of part.
func seeds(t testing.TB) (all [][]byte) {
	t.Helper()
	bodies := []event.Body{
		event.UserMessaged{Message: llm.Message{Role: llm.RoleUser, Extra: []llm.Member{{Name: "n", Value: `{"a":"\n"}`}}, Parts: llm.Parts{
			llm.Text{Text: "é\u2028\x00\x1f\x7f\b\f\r\t\"\\/<&>", Extra: []llm.Member{{Name: "", Value: "null"}}}, llm.Text{},
			llm.Reasoning{Text: "Hm.", Field: "reasoning"}, llm.Image{URL: "u", Detail: "low"}, llm.Image{Data: []byte{0, 255}, MediaType: "image/png"},
			llm.ToolCall{ID: "c", Name: "f", Arguments: "{"}, llm.ToolResult{CallID: "c", Parts: llm.Parts{llm.ToolResult{Parts: llm.Parts{}}}},
		}}},
		event.UserMessaged{Message: llm.User("", llm.Audio{Data: []byte("RIFF")}, llm.File{ID: "f"}, llm.Refusal{Text: "No."}, llm.RawPart{JSON: `{"type":"x","y":[1.0]}`})},
		event.UserMessaged{}, event.RunPaused{}, event.ModelAnswered{RawUsage: json.RawMessage(` { "a" : ["}", 1e3] } `)},
	}
	for _, tt := range every {
		bodies = append(bodies, tt.body)
	}
	for _, b := range bodies {
		data, err := event.Marshal(event.Event{Seq: 7, Time: at, Body: b})
		require.NoError(t, err)
		escaped, err := json.Marshal(event.Event{Path: "r1.t2.c0", Time: at.In(time.FixedZone("", 3600)), Body: b})
		require.NoError(t, err)
		all = append(all, data, escaped, append(data[:len(data)-1:len(data)-1], `,"left":0,"synced":120,"sum":"0123abcd"}`...))
	}
	return all
}

// FuzzJSON: with and without the coder, a text gives the same event or is refused, and
// an event gives the same text.
func FuzzJSON(f *testing.F) {
	corpus := seeds(f)
	for _, seed := range append(corpus, mutant.Of(corpus, 20_000)...) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var fast, general event.Event
		kept := bytes.Clone(data)
		usual := event.Read(&fast, data)
		err := event.Unmarshal(&general, data)
		require.Equal(t, kept, data)
		if !usual {
			require.Equal(t, event.Event{}, fast)
		} else {
			require.NoError(t, err)
			require.Equal(t, general, fast)
		}
		if err == nil {
			sameText(t, general)
		}
	})
}

// sameText compares the text of the coder with that of encoding/json.
func sameText(t *testing.T, e event.Event) {
	t.Helper()
	fast := event.Write(e)
	if fast == nil {
		return
	}
	general, err := event.Marshal(e)
	require.NoError(t, err)
	require.Equal(t, string(general), string(fast))
}

// TestWrittenEqual: any values in the fields give the same text with and without the
// coder, and the text is read to the same event.
func TestWrittenEqual(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	written := 0
	for range 500 {
		for _, tt := range every {
			v := reflect.New(reflect.TypeOf(tt.body)).Elem()
			fill(r, v, 0)
			e := event.Event{Seq: r.Int64N(3), Time: at.Add(time.Duration(r.Int64())), Body: v.Interface().(event.Body)}
			sameText(t, e)
			data := event.Write(e)
			if data == nil {
				continue
			}
			written++
			var fast, general event.Event
			require.NoError(t, event.Unmarshal(&general, data))
			require.True(t, event.Read(&fast, data), "%s", data)
			require.Equal(t, general, fast)
		}
	}
	require.Greater(t, written, 3000)
}

// fill sets every field at random: often to zero, and to the ends of its range.
func fill(r *rand.Rand, v reflect.Value, depth int) {
	if r.IntN(4) == 0 {
		return
	}
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(at.Add(time.Duration(r.Int64()))))
		return
	case json.RawMessage:
		v.SetBytes([]byte([]string{``, `{"a": [1, "]\""]}`, `[]`, ` {"é":1.50}`}[r.IntN(4)]))
		return
	}
	if v.Kind() == reflect.Interface {
		t := []llm.Part{llm.Text{}, llm.Reasoning{}, llm.Image{}, llm.ToolCall{}, llm.ToolResult{}}[r.IntN(5)]
		part := reflect.New(reflect.TypeOf(t)).Elem()
		fill(r, part, depth+1)
		v.Set(part)
		return
	}
	fillKind(r, v, depth)
}

func fillKind(r *rand.Rand, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i), depth)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem(), depth)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), max(r.IntN(4)-depth/2, 0), 4))
		for i := range v.Len() {
			fill(r, v.Index(i), depth+1)
			if v.Index(i).Kind() == reflect.Interface && v.Index(i).IsNil() {
				v.Index(i).Set(reflect.ValueOf(llm.Text{}))
			}
		}
	case reflect.String:
		v.SetString(randomText(r))
	case reflect.Int, reflect.Int64:
		v.SetInt([]int64{0, 1, -1, 10, 1<<63 - 1, -1 << 63}[r.IntN(6)])
	case reflect.Uint8:
		v.SetUint(r.Uint64N(256))
	case reflect.Bool:
		v.SetBool(true)
	}
}

func randomText(r *rand.Rand) string {
	pieces := []string{"a", `{"a":1}`, "\\", `"`, "\n", "\x00", "\x7f", "é", "\u2028", "\u2029", "😀", "\xff", "\xe2\x80", "\ufffd", "<", "/", "\b\f"}
	var b strings.Builder
	for range r.IntN(5) {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.String()
}

// aCall has the events of a tool call.
var aCall = []event.Event{
	{Seq: 4, Time: at, Body: event.ModelAnswered{
		Turn: 1, Message: llm.Assistant("", llm.ToolCall{ID: "call_1", Name: "refund", Arguments: `{"order":"W1","cents":500}`}),
		Finish: llm.FinishOf("tool_calls", ""), Usage: llm.Usage{InputTokens: 900, OutputTokens: 30}, Model: "m",
	}},
	{Seq: 5, Time: at, Body: event.ToolCallStarted{Call: "r1.t1.c0", ID: "call_1", Name: "refund", Arguments: `{"order":"W1","cents":500}`}},
	{Seq: 6, Time: at, Body: event.ToolCallFinished{
		Call: "r1.t1.c0", Result: llm.ToolResult{CallID: "call_1", Name: "refund", Parts: llm.Parts{llm.Text{Text: "Paid back \"500\"."}}}, Began: at,
	}},
}

// TestAllocations: writing an event allocates its text alone, and reading allocates no
// more than its values.
func TestAllocations(t *testing.T) {
	if raced {
		t.Skip("the race detector changes pools")
	}
	wants := []float64{6, 5, 7}
	for i, e := range aCall {
		data := event.Write(e)
		require.NotNil(t, data)
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = e.MarshalJSON() }), 1.0, "%T", e.Body)
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _ = new(event.Event).UnmarshalJSON(data) }), wants[i], "%T", e.Body)
	}
}

func BenchmarkWrite(b *testing.B) {
	for b.Loop() {
		for _, e := range aCall {
			_, _ = e.MarshalJSON()
		}
	}
}

func BenchmarkRead(b *testing.B) {
	var texts [][]byte
	for _, e := range aCall {
		texts = append(texts, event.Write(e))
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, text := range texts {
			if err := new(event.Event).UnmarshalJSON(text); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkReadGeneral(b *testing.B) {
	var texts [][]byte
	for _, e := range aCall {
		texts = append(texts, event.Write(e))
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, text := range texts {
			if err := event.Unmarshal(new(event.Event), text); err != nil {
				b.Fatal(err)
			}
		}
	}
}
