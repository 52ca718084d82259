package runner

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pieces gives text to a new partial in random pieces, and returns the snapshots. The
// pieces may end inside of a character.
func pieces(r *rand.Rand, text string) (shown []json.RawMessage) {
	p := newPartial()
	for text != "" {
		n := min(1+r.IntN(5), len(text))
		if s := p.add(text[:n]); s != nil {
			shown = append(shown, s)
		}
		text = text[n:]
	}
	return shown
}

func randomText(r *rand.Rand) string {
	letters := []rune("ab\"\\{}[],:\n\t é漢😀/ufd0123\u2028")
	var b strings.Builder
	for range r.IntN(6) {
		b.WriteRune(letters[r.IntN(len(letters))])
	}
	return b.String()
}

func randomValue(r *rand.Rand, depth int) any {
	switch kind := r.IntN(8); {
	case kind < 2 && depth > 0:
		members := map[string]any{}
		for range r.IntN(4) {
			members[randomText(r)] = randomValue(r, depth-1)
		}
		return members
	case kind < 4 && depth > 0:
		items := []any{}
		for range r.IntN(4) {
			items = append(items, randomValue(r, depth-1))
		}
		return items
	case kind == 4:
		return r.Float64() * 1e6
	case kind == 5:
		return []any{true, false, nil}[r.IntN(3)]
	}
	return randomText(r)
}

// written writes a document as models do: compact, indented, with escapes.
func written(t *testing.T, r *rand.Rand, document any) string {
	t.Helper()
	raw, err := json.Marshal(document)
	require.NoError(t, err)
	var b bytes.Buffer
	if r.IntN(2) == 0 {
		require.NoError(t, json.Indent(&b, raw, "", "  "))
		raw = b.Bytes()
	}
	if r.IntN(3) > 0 {
		return string(raw)
	}
	var escaped strings.Builder
	for _, c := range string(raw) {
		switch {
		case c > 0xffff:
			fmt.Fprintf(&escaped, `\u%04x\u%04X`, 0xd800+(c-0x10000)>>10, 0xdc00+(c-0x10000)&0x3ff)
		case c > 127:
			fmt.Fprintf(&escaped, `\u%04x`, c)
		default:
			escaped.WriteRune(c)
		}
	}
	return escaped.String()
}

// begins reports whether p is the beginning of v: members, items and letters are missing.
func begins(p, v any) bool {
	switch p := p.(type) {
	case map[string]any:
		whole, ok := v.(map[string]any)
		for name, member := range p {
			value, has := whole[name]
			ok = ok && has && begins(member, value)
		}
		return ok
	case []any:
		whole, ok := v.([]any)
		ok = ok && len(p) <= len(whole)
		for i := 0; ok && i < len(p); i++ {
			ok = begins(p[i], whole[i])
		}
		return ok
	case string:
		whole, ok := v.(string)
		return ok && strings.HasPrefix(whole, p)
	}
	return reflect.DeepEqual(p, v)
}

// FuzzPartial: each snapshot of a document is JSON and a beginning of the value, and the
// last one is the value. A document with a random change gives JSON or nothing.
func FuzzPartial(f *testing.F) {
	for seed := range uint64(1000) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		var document any = map[string]any{"a": randomValue(r, 4), "b": randomValue(r, 4)}
		text := written(t, r, document)
		before := []string{"", "Here you are: ", "The set [of cities] is: ", "See {it} and [1]: ", "```json\n"}[r.IntN(5)]
		var last any
		for _, s := range pieces(r, before+text+"\nThat {is} [it].") {
			last = nil
			require.NoError(t, json.Unmarshal(s, &last), "%s of %s", s, text)
			require.True(t, begins(last, document), "%s of %s", s, text)
		}
		require.Equal(t, document, last)

		at := r.IntN(len(text))
		wrong := text[:at] + randomText(r) + text[min(len(text), at+r.IntN(3)):]
		for _, s := range pieces(r, wrong) {
			require.True(t, json.Valid(s), "%s of %s", s, wrong)
		}
	})
}

// TestPartialOfTexts: the last snapshot of texts as models write them, given letter by
// letter.
func TestPartialOfTexts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`The set [of cities] is: {"city":"Oslo"}`: `{"city":"Oslo"}`,
		`I use {it} and {1, 2}: {"a":1}`:          `{"a":1}`,
		`From {} to {"a":1}`:                      `{"a":1}`,
		`As in [1], {"a":1}`:                      `{"a":1}`,
		`{"a":1} or {"a":2}`:                      `{"a":1}`,
		`{"a":"b`:                                 `{"a":"b"}`,
		`{"a":"\ud83d`:                            `{"a":""}`,
		`{"a":"\ud83d\ude0`:                       `{"a":""}`,
		`{"a":"\ud83d\ude00`:                      `{"a":"\ud83d\ude00"}`,
		`{"a":"\ud83dx`:                           `{"a":"\ud83dx"}`,
		`{}`:                                      `{}`,
		// not JSON
		`Sure: [{"a":1}]`:                     ``,
		`[]`:                                  ``,
		`no`:                                  ``,
		`{'a':{"b":1}}`:                       `{}`,
		`{a:1,b:{"c":1}}`:                     `{}`,
		`{a:1} and {"b":1}`:                   `{"b":1}`,
		"{\"a\":\"x\ny\"}":                    `{"a":"x"}`,
		`{"a":"\x41"}`:                        `{"a":""}`,
		`{"a":"\u12zz"}`:                      `{"a":""}`,
		`{"a":1,}`:                            `{"a":1}`,
		`{"a":1 "b":2,`:                       `{}`,
		`{"a" 1,"b":"c`:                       `{}`,
		`{,,,`:                                `{}`,
		`{"a":}`:                              `{}`,
		`{"a":nope,"b":1}`:                    `{}`,
		`{"a":01,"b":2`:                       `{}`,
		"{\"a\":1,// c, d\n\"b\":\"x\"}":      `{"a":1}`,
		`{]`:                                  `{}`,
		`{"a":"b""c":"d"}`:                    `{"a":"b"}`,
		`{:"x`:                                `{}`,
		"{\"city\":\"Oslo\" // it's, {big\n}": `{"city":"Oslo"}`,
		strings.Repeat(`{"a":`, 20_000) + `{"a":1`: "-",
	} {
		p, last := newPartial(), ""
		for i := range len(text) {
			if s := p.add(text[i : i+1]); s != nil {
				require.True(t, json.Valid(s), "%q after %q", s, text[:i+1])
				last = string(s)
			}
		}
		if want != "-" {
			require.Equal(t, want, last, text)
		}
	}
}

// TestPartialCost: a text of four times the length needs about four times the memory.
func TestPartialCost(t *testing.T) { // not parallel: the memory of other tests would count
	cost := func(length int) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p := newPartial()
		p.add(`{"a":"`)
		for range length / 4 {
			p.add("abcd")
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	short, long := cost(50_000), cost(200_000)
	require.Less(t, long, 8*short)
	require.Less(t, short, uint64(200*50_000))
}
