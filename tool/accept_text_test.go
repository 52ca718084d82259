package tool_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/mutant"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// textual has every kind of text that the direct path knows.
type textual struct {
	At      time.Time     `json:"at,omitzero"`
	Until   *time.Time    `json:"until,omitempty"`
	Moment  string        `json:"moment,omitempty" jsonschema:"format=date-time"`
	Date    string        `json:"date,omitempty" jsonschema:"format=date"`
	Clock   string        `json:"clock,omitempty" jsonschema:"format=time"`
	Mail    string        `json:"mail,omitempty" jsonschema:"format=email"`
	ID      string        `json:"id,omitempty" jsonschema:"format=uuid"`
	Address string        `json:"address,omitempty" jsonschema:"format=uri"`
	Host    string        `json:"host,omitempty" jsonschema:"format=hostname"`
	Code    string        `json:"code,omitempty" jsonschema:"pattern=^[A-Z]{2}-[0-9]+$"`
	Codes   []string      `json:"codes,omitempty" jsonschema:"pattern=^.b?$"`
	Number  int           `json:"number,omitempty,string"`
	Wait    time.Duration `json:"wait,omitempty"`
}

// texts are right and wrong texts for each of them.
var textualTexts = []string{
	"2026-11-29T10:00:00Z", "2026-11-29T10:00:00.123456789+02:00", "2026-11-29t10:00:00z", "2026-11-29T10:00:00", "2026-11-29 10:00:00Z", "2016-12-31T23:59:60Z",
	"2026-02-30T10:00:00Z", "2026-11-29T24:00:00Z", "2026-11-29T10:00:00+24:00", "2026-11-29T10:00:00,5Z", "+2026-11-29T10:00:00Z", "0000-01-01T00:00:00Z",
	"2026-11-29", "2026-2-9", "10:00:00Z", "10:00:00", "23:59:60Z", "a@b.example", "a@", "\\u0061@b.example", `\"a b\"@c`,
	"0f8fad5b-d9cb-469f-a165-70867728950e", "0F8FAD5B-D9CB-469F-A165-70867728950E", "0f8fad5bd9cb469fa16570867728950e", "https://a.example/b?c", "/b", "a.example", "-a",
	"AB-1", "ab-1", "AB-1\\n", "A\\u0042-1", "äb", "ä", "", "1", "-0", "1.5", "1h30m", "90s", "-5m", "null",
}

// TestAcceptText: texts with a pattern or a format that the direct path accepts are those
// that the general path accepts, as the same text. The usual ones are accepted directly.
func TestAcceptText(t *testing.T) {
	t.Parallel()
	made := tool.Must(tool.New("textual", "", func(_ context.Context, _ textual) (string, error) { return "", nil }))
	var corpus [][]byte
	for _, name := range []string{"at", "until", "moment", "date", "clock", "mail", "id", "address", "host", "code", "number", "wait"} {
		for _, text := range textualTexts {
			corpus = append(corpus, fmt.Appendf(nil, `{%q:"%s"}`, name, text))
		}
		corpus = append(corpus, fmt.Appendf(nil, `{%q:null}`, name), fmt.Appendf(nil, `{%q:1}`, name))
	}
	corpus = append(corpus, []byte(`{"codes":["a","ab","ä"]}`), []byte(`{"codes":["a","abc"]}`), []byte(`{"codes":"a"}`))
	direct := 0
	for _, text := range append(corpus, mutant.Of(corpus, 2000)...) {
		if accepts(made, string(text)) {
			direct++
			require.Empty(t, differentPaths(made, string(text)), "%s", text)
		}
	}
	t.Logf("%d texts were accepted directly", direct)
	for _, text := range []string{
		`{"at":"2026-11-29T10:00:00Z","until":"2026-11-29T10:00:00.5+02:00"}`, `{"moment":"2026-11-29T10:00:00Z","date":"2026-11-29","clock":"10:00:00Z"}`,
		`{"mail":"a@b.example","id":"0f8fad5b-d9cb-469f-a165-70867728950e","address":"https://a.example/b?c"}`, `{"code":"AB-1","codes":["a","ab"]}`, `{"until":null}`,
	} {
		require.True(t, accepts(made, text), text)
	}
}

// TestAcceptPatterns: a schema from elsewhere, whose patterns cost fuel, too.
func TestAcceptPatterns(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"^a+$", "(a|b)*c", "^(a{1,50}){1,50}$", `\\p{L}+`, "[", "(?=a)", `^\\S+$`, `^\\d{4}$`} {
		made := tool.Must(tool.NewRaw("patterned", "", json.RawMessage(`{"type":"object","properties":{"a":{"type":"string","pattern":"`+pattern+`"},"b":{"type":"array","items":{"pattern":"`+pattern+`"}}}}`), echo))
		for _, size := range []int{0, 1, 4, 50, 1000, 100_000, 500_000} {
			for _, letter := range []string{"a", "1", "ä", "ac"} {
				word := strings.Repeat(letter, size)
				for _, text := range []string{`{"a":"` + word + `"}`, `{"b":["` + word + `","` + word + `",1]}`} {
					if accepts(made, text) {
						require.Empty(t, differentPaths(made, text), "%s %d %s", pattern, size, letter)
					}
				}
			}
		}
	}
	made := tool.Must(tool.NewRaw("patterned", "", json.RawMessage(`{"properties":{"a":{"type":"string","pattern":"^[a-z]+$"}}}`), echo))
	require.True(t, accepts(made, `{"a":"abc"}`))
	require.False(t, accepts(made, `{"a":"aBc"}`))
}
