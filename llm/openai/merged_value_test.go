package openai_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// TestPieces joins what no part of llm models, and what comes in parts of a list.
func TestPieces(t *testing.T) {
	t.Parallel()
	details := func(pieces ...string) (deltas []string) {
		for _, p := range pieces {
			deltas = append(deltas, `{"reasoning_details":[`+p+`]}`)
		}
		return deltas
	}
	blocks := func(pieces ...string) (deltas []string) {
		for _, p := range pieces {
			deltas = append(deltas, `{"thinking_blocks":[`+p+`]}`)
		}
		return deltas
	}
	for _, tt := range []struct {
		name   string
		deltas []string
		want   string // the members of the message that nobody modelled
	}{
		{"text and signature", details(
			`{"type":"reasoning.text","text":"First ","index":0}`, `{"type":"reasoning.text","text":"add them.","index":0}`, `{"type":"reasoning.text","signature":"sig","index":0}`),
			`reasoning_details=[{"type":"reasoning.text","text":"First add them.","index":0,"signature":"sig"}]`},
		{"summary", details(`{"type":"reasoning.summary","summary":"a","index":0}`, `{"type":"reasoning.summary","summary":"b","index":0,"id":"r"}`),
			`reasoning_details=[{"type":"reasoning.summary","summary":"ab","index":0,"id":"r"}]`},
		{"signature first", details(`{"signature":"sig","index":0}`, `{"type":"reasoning.text","text":"a","index":0}`, `{"text":"b","index":0}`),
			`reasoning_details=[{"signature":"sig","index":0,"type":"reasoning.text","text":"ab"}]`},
		{"members that say nothing", details(`{"type":"reasoning.text","text":"a","index":0,"id":null,"signature":""}`, `{"type":"","text":"b","index":0,"signature":"sig"}`, `{"type":null,"text":"","index":0,"signature":null}`),
			`reasoning_details=[{"type":"reasoning.text","text":"ab","index":0,"id":null,"signature":"sig"}]`},
		{"a signature in every piece", details(`{"text":"a","signature":"sig","index":0}`, `{"text":"b","signature":"sig","index":0}`),
			`reasoning_details=[{"text":"ab","signature":"sig","index":0}]`},
		{"a signature in pieces", details(`{"text":"a","index":0}`, `{"signature":"si","index":0}`, `{"signature":"g","index":0}`),
			`reasoning_details=[{"text":"a","index":0,"signature":"sig"}]`},
		{"indices that alternate", details(`{"text":"a","index":0},{"text":"A","index":1}`, `{"text":"B","index":1}`, `{"text":"b","index":0}`),
			`reasoning_details=[{"text":"ab","index":0},{"text":"AB","index":1}]`},
		{"ids and no index", details(`{"id":"x","text":"a"}`, `{"id":"y","text":"A"}`, `{"id":"x","text":"b"}`),
			`reasoning_details=[{"id":"x","text":"ab"},{"id":"y","text":"A"}]`},
		{"one index, two types", details(`{"type":"reasoning.summary","summary":"a","index":0}`, `{"type":"reasoning.summary","summary":"b","index":0}`, `{"type":"reasoning.encrypted","data":"x","id":"r","index":0}`, `{"type":"reasoning.summary","summary":"c","index":0}`),
			`reasoning_details=[{"type":"reasoning.summary","summary":"abc","index":0},{"type":"reasoning.encrypted","data":"x","id":"r","index":0}]`},
		{"one index, two ids", details(`{"type":"reasoning.encrypted","data":"x","id":"call_1","index":0}`, `{"type":"reasoning.encrypted","data":"y","id":"call_2","index":0}`, `{"type":"reasoning.encrypted","data":"z","id":"call_1","index":0}`),
			`reasoning_details=[{"type":"reasoning.encrypted","data":"xz","id":"call_1","index":0},{"type":"reasoning.encrypted","data":"y","id":"call_2","index":0}]`},
		{"a copy at the end", details(`{"text":"First ","index":0}`, `{"text":"add them.","index":0}`, `{"text":"First add them.","signature":"sig","index":0}`),
			`reasoning_details=[{"text":"First add them.","index":0,"signature":"sig"}]`},
		{"an encrypted copy", details(`{"data":"abc","index":0}`, `{"data":"abc","index":0}`), `reasoning_details=[{"data":"abc","index":0}]`},
		{"text that repeats itself", details(`{"text":"ha","index":0}`, `{"text":"ha","index":0}`, `{"text":"haha","index":0}`), `reasoning_details=[{"text":"hahahaha","index":0}]`},
		{"half a character", details(`{"text":"\ud83d","index":0}`, `{"text":"\ude00","index":0}`), `reasoning_details=[{"text":"\ud83d\ude00","index":0}]`},
		{"no index", details(`{"type":"reasoning.text","text":"a","provider":"p"}`, `{"type":"reasoning.text","text":"b","provider":"p"}`),
			`reasoning_details=[{"type":"reasoning.text","text":"ab","provider":"p"}]`},
		{"one piece stays as it came", details(`{"type":"reasoning.text", "text":"a", "n":1.0}`), `reasoning_details=[{"type":"reasoning.text", "text":"a", "n":1.0}]`},
		{"blocks", blocks(`{"type":"thinking","thinking":"First ","signature":""}`, `{"type":"thinking","thinking":"add them."}`, `{"type":"thinking","thinking":"","signature":"sig"}`),
			`thinking_blocks=[{"type":"thinking","thinking":"First add them.","signature":"sig"}]`},
		{"two blocks", blocks(`{"type":"thinking","thinking":"a"}`, `{"type":"thinking","signature":"s"}`, `{"type":"thinking","thinking":"b"}`, `{"type":"thinking","signature":"t"}`),
			`thinking_blocks=[{"type":"thinking","thinking":"a","signature":"s"},{"type":"thinking","thinking":"b","signature":"t"}]`},
		{"whole blocks", blocks(`{"type":"thinking","thinking":"a","signature":"s"},{"type":"thinking","thinking":"b","signature":"t"}`, `{"type":"redacted_thinking","data":"x"}`, `{"type":"redacted_thinking","data":"y"}`),
			`thinking_blocks=[{"type":"thinking","thinking":"a","signature":"s"},{"type":"thinking","thinking":"b","signature":"t"},{"type":"redacted_thinking","data":"x"},{"type":"redacted_thinking","data":"y"}]`},
		{"inside of an object", []string{`{"provider_specific_fields":{"thinking_blocks":[{"type":"thinking","thinking":"a"}]}}`, `{"provider_specific_fields":{"thinking_blocks":[{"type":"thinking","thinking":"b","signature":"s"}],"n":1}}`, `{"provider_specific_fields":null}`},
			`provider_specific_fields={"thinking_blocks":[{"type":"thinking","thinking":"ab","signature":"s"}],"n":1}`},
		{"strings", []string{`{"thinking":"a","signature":"s"}`, `{"thinking":"b","signature":"s"}`, `{"thinking":null,"name":"x"}`, `{"name":"y"}`}, `thinking="ab" signature="s" name="y"`},
		{"annotations", []string{`{"annotations":[{"type":"url_citation","url_citation":{"url":"u"}}]}`, `{"annotations":[{"type":"url_citation","url_citation":{"url":"v"}}]}`},
			`annotations=[{"type":"url_citation","url_citation":{"url":"u"}},{"type":"url_citation","url_citation":{"url":"v"}}]`},
		{"annotations of one index", []string{`{"annotations":[{"index":0,"url":"u"}]}`, `{"annotations":[{"index":0,"url":"v"}]}`, `{"annotations":[{"index":0,"url":"v","title":"t"}]}`},
			`annotations=[{"index":0,"url":"u"},{"index":0,"url":"v","title":"t"}]`},
		{"running totals", []string{`{"images":[{"url":"u"}]}`, `{"images":[{"url":"u"},{"url":"v"}]}`, `{"images":[{"url":"u"},{"url":"v"}]}`}, `images=[{"url":"u"},{"url":"v"}]`},
		{"totals of strings", []string{`{"citations":["u"]}`, `{"citations":["u","v"]}`}, `citations=["u","v"]`},
		{"strings that begin alike", []string{`{"citations":["u"]}`, `{"citations":["uu"]}`}, `citations=["u","uu"]`},
		{"numbers repeat", []string{`{"token_ids":[5]}`, `{"token_ids":[5]}`, `{"token_ids":[5,6]}`}, `token_ids=[5,5,5,6]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var chunks, got []string
			for _, d := range tt.deltas {
				chunks = append(chunks, delta(d))
			}
			resp, _, err := ask(t, eventsOf(append(chunks, finishStop)...), true)
			require.NoError(t, err)
			for _, m := range resp.Message.Extra {
				got = append(got, m.Name+"="+m.Value)
			}
			require.Equal(t, tt.want, strings.Join(got, " "))
		})
	}
}

// TestParts joins the parts of a list of content.
func TestParts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		deltas []string // each with this content
		want   llm.Parts
	}{
		{"an index", []string{`[{"type":"text","text":"It ","index":0}]`, `[{"type":"text","text":"is.","index":0}]`}, llm.Parts{llm.Text{Text: "It is.", Extra: []llm.Member{member("index", "0")}}}},
		{"two indices", []string{`[{"type":"text","text":"a","index":0},{"type":"text","text":"A","index":1}]`, `[{"type":"text","text":"B","index":1}]`, `[{"type":"text","text":"b","index":0}]`},
			llm.Parts{llm.Text{Text: "ab", Extra: []llm.Member{member("index", "0")}}, llm.Text{Text: "AB", Extra: []llm.Member{member("index", "1")}}}},
		{"a signature", []string{`[{"type":"thinking","thinking":"First "}]`, `[{"type":"thinking","thinking":[{"type":"text","text":"add."}]}]`, `[{"type":"thinking","thinking":"","signature":"sig"}]`, `[{"type":"thinking","thinking":"b"}]`},
			llm.Parts{llm.Reasoning{Text: "First add.", Extra: []llm.Member{member("signature", `"sig"`)}}, llm.Reasoning{Text: "b"}}},
		{"a signature first", []string{`[{"type":"thinking","thinking":"","signature":"sig","index":0}]`, `[{"type":"thinking","thinking":"a","index":0}]`},
			llm.Parts{llm.Reasoning{Text: "a", Extra: []llm.Member{member("signature", `"sig"`), member("index", "0")}}}},
		{"a copy with the signature", []string{`[{"type":"thinking","thinking":"First ","index":0}]`, `[{"type":"thinking","thinking":"add.","index":0}]`, `[{"type":"thinking","thinking":"First add.","signature":"sig","index":0}]`},
			llm.Parts{llm.Reasoning{Text: "First add.", Extra: []llm.Member{member("index", "0"), member("signature", `"sig"`)}}}},
		{"half a character of a text", []string{`[{"type":"text","text":"a\ud83d"}]`, `[{"type":"text","text":"\ude00"}]`}, llm.Parts{llm.Text{Text: "a😀"}}},
		{"half a character of strings", []string{`["a\ud83d"]`, `["\ude00"]`}, llm.Parts{llm.Text{Text: "a😀"}}},
		{"half a character of thinking", []string{`[{"type":"thinking","thinking":"\ud83d"}]`, `[{"type":"thinking","thinking":[{"type":"text","text":"\ude00"}]}]`}, llm.Parts{llm.Reasoning{Text: "😀"}}},
		{"half a character of a refusal", []string{`[{"type":"refusal","refusal":"\ud83d"}]`, `[{"type":"refusal","refusal":"\ude00"}]`}, llm.Parts{llm.Refusal{Text: "😀"}}},
		{"a half that stays alone", []string{`[{"type":"thinking","thinking":"t\ud83d"}]`, `[{"type":"text","text":"a\ud83d"}]`}, llm.Parts{llm.Reasoning{Text: "t"}, llm.Text{Text: "a"}, llm.Reasoning{Text: "\uFFFD"}, llm.Text{Text: "\uFFFD"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var chunks []string
			for _, d := range tt.deltas {
				chunks = append(chunks, delta(`{"content":`+d+`}`))
			}
			resp, _, err := ask(t, eventsOf(append(chunks, finishStop)...), true)
			require.NoError(t, err)
			require.Equal(t, tt.want, resp.Message.Parts)
		})
	}
}

// TestHalves puts together the two halves of a character from two deltas.
func TestHalves(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, first, second string
		want                llm.Parts
	}{
		{"content", `{"content":"a\ud83d"}`, `{"content":"\ude00b"}`, llm.Parts{llm.Text{Text: "a😀b"}}},
		{"reasoning_content", `{"reasoning_content":"a\ud83d"}`, `{"reasoning_content":"\ude00b"}`, llm.Parts{llm.Reasoning{Text: "a😀b", Field: "reasoning_content"}}},
		{"reasoning", `{"reasoning":"\ud83d"}`, `{"reasoning":"\ude00"}`, llm.Parts{llm.Reasoning{Text: "😀", Field: "reasoning"}}},
		{"under two names", `{"reasoning":"\ud83d","reasoning_content":"\ud83d"}`, `{"reasoning":"\ude00","reasoning_content":"\ude00"}`, llm.Parts{llm.Reasoning{Text: "😀", Field: "reasoning_content"}}},
		{"refusal", `{"refusal":"a\ud83d"}`, `{"refusal":"\ude00b"}`, llm.Parts{llm.Refusal{Text: "a😀b"}}},
		{"transcript", `{"audio":{"id":"x","transcript":"a\ud83d"}}`, `{"audio":{"transcript":"\ude00b"}}`, llm.Parts{llm.Audio{ID: "x", Transcript: "a😀b"}}},
		{"an empty piece between", `{"content":"\ud83d","reasoning":"\ud83d"}`, `{"content":"","reasoning":""}` + "\x00" + `{"content":"\ude00","reasoning":"\ude00"}`, llm.Parts{llm.Reasoning{Text: "😀", Field: "reasoning"}, llm.Text{Text: "😀"}}},
		{"only a half", `{"content":"a\ud83d","reasoning":"b\ud83d"}`, `{"refusal":"c\ud83d"}`, llm.Parts{llm.Reasoning{Text: "b\uFFFD", Field: "reasoning"}, llm.Text{Text: "a\uFFFD"}, llm.Refusal{Text: "c\uFFFD"}}},
		{"sound that is cut anywhere", `{"audio":{"id":"x","data":"YW"}}`, `{"audio":{"data":"Jj"}}`, llm.Parts{llm.Audio{ID: "x", Data: []byte("abc")}}},
		{"sound in whole pieces", `{"audio":{"id":"x","data":"YQ=="}}`, `{"audio":{"data":"YmM="}}`, llm.Parts{llm.Audio{ID: "x", Data: []byte("abc")}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			chunks := []string{delta(tt.first)}
			for second := range strings.SplitSeq(tt.second, "\x00") {
				chunks = append(chunks, delta(second))
			}
			resp, deltas, err := ask(t, eventsOf(append(chunks, finishStop)...), true)
			require.NoError(t, err)
			require.Equal(t, tt.want, resp.Message.Parts)
			var text, thought strings.Builder
			for _, d := range deltas {
				switch d := d.(type) {
				case llm.TextDelta:
					text.WriteString(d.Text)
				case llm.ReasoningDelta:
					thought.WriteString(d.Text)
				}
			}
			require.Equal(t, resp.Message.Text(), text.String())
			require.Equal(t, resp.Message.Reasoning(), thought.String())
		})
	}
}

// TestNoCalls is what looks like a call and is none.
func TestNoCalls(t *testing.T) {
	t.Parallel()
	for _, tt := range []string{
		`"function_call":{"arguments":"","name":""},"tool_calls":null`,
		`"function_call":{}`, `"function_call":null`, `"function_call":""`, `"function_call":{"name":null,"arguments":null}`, `"function_call":{"name":"","arguments":"{}"}`,
		`"tool_calls":[{}]`, `"tool_calls":[null]`, `"tool_calls":{}`, `"tool_calls":""`, `"tool_calls":[{"function":{}}]`, `"tool_calls":[{"type":"function"}]`,
		`"tool_calls":[{"index":0,"id":"","type":"function","function":{"name":"","arguments":""}}]`,
		`"tool_calls":[{"id":null,"type":null,"function":null}]`,
		`"tool_calls":[{"id":"call_1","type":"function","function":{"name":"","arguments":"null"}}]`,
		`"tool_calls":[{},{}],"function_call":{"name":""}`,
	} {
		t.Run(tt, func(t *testing.T) {
			t.Parallel()
			message := `{"role":"assistant","content":"4",` + tt + `}`
			for _, w := range []*wire{
				{body: `{"choices":[{"message":` + message + `,"finish_reason":"stop"}]}`},
				eventsOf(delta(message), finishStop),
				eventsOf(delta(message), delta(`{"content":"",`+tt+`}`), finishStop, "[DONE]"),
			} {
				resp, _, err := ask(t, w, true)
				require.NoError(t, err)
				require.Equal(t, llm.Assistant("4"), resp.Message)
			}
		})
	}
}

// TestTooManyPieces: what is joined costs a server a few bytes each, and us more.
// What comes in pieces is bounded, and a piece costs what it weighs, whatever it
// goes on with.
func TestTooManyPieces(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 2<<20)
	hundred := func(i int) string { // members
		var b strings.Builder
		for n := range 100 {
			fmt.Fprintf(&b, `,"%d":1`, 100*i+n)
		}
		return b.String()
	}
	for _, tt := range []struct {
		name   string
		first  string
		more   func(i int) string
		n      int
		refuse bool
	}{
		{"one long text", delta(`{"reasoning_details":[{"index":0,"text":"` + big + `"}]}`), func(int) string { return delta(`{"reasoning_details":[{"index":0,"text":"x"}]}`) }, 20_000, false},
		{"an element that contradicts", delta(`{"images":[{"index":0,"url":"` + big + `"}]}`), func(i int) string { return delta(fmt.Sprintf(`{"images":[{"index":0,"url":"%d"}]}`, i)) }, 20_000, false},
		{"elements", delta(`{"x":[{}]}`), func(i int) string { return delta(`{"x":[` + strings.Repeat(`{"a":1},`, 100) + fmt.Sprint(i) + `]}`) }, 2_000, true},
		{"members of one element", delta(`{"x":[{"index":0}]}`), func(i int) string { return delta(`{"x":[{"index":0` + hundred(i) + `}]}`) }, 1_400, true},
		{"members of calls", calls(`{"index":0,"id":"a","x":{"y":1}}`), func(i int) string { return calls(`{"index":0,"x":{"y":1` + hundred(i) + `}}`) }, 1_400, true},
		{"pieces of messages", `{"choices":[{"message":{"content":"x"}}]}`, func(i int) string { return fmt.Sprintf(`{"choices":[{"message":{"content":"%d"}}]}`, i) }, 20_000, false},
		{"messages behind a long text", delta(`{"content":"` + big + `"}`), func(int) string { return `{"choices":[{"message":{"content":"y"}}]}` }, 20_000, true},
		{"whole calls of one index", "{}", func(i int) string {
			return calls(fmt.Sprintf(`{"index":0,"function":{"name":"f","arguments":"{\"a\":%d}"}}`, i))
		}, 20_000, false},
		{"calls that say nothing", "{}", func(int) string { return calls(strings.Repeat("{},", 1<<16) + "{}") }, 1, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			data := []string{tt.first}
			for i := range tt.n {
				data = append(data, tt.more(i))
			}
			_, _, err := ask(t, eventsOf(append(data, finishStop)...), false)
			if tt.refuse {
				require.ErrorContains(t, err, "more calls, parts or members")
				return
			}
			require.NoError(t, err)
		})
	}
}
