package tape

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
)

// normal returns a request as it is compared: decoded JSON, whose ids of calls
// and moments are numbered by their first occurrence.
func normal(request []byte) any {
	var v any
	dec := json.NewDecoder(strings.NewReader(string(request)))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return string(request) // cannot be: it was marshalled, or checked
	}
	n := numbering{ids: map[string]string{}, moments: map[string]string{}}
	return n.value(v, "", "")
}

// A numbering gives numbers to texts as they come.
type numbering struct{ ids, moments map[string]string }

// moment matches a date with a time of day.
var moment = regexp.MustCompile(`\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?( ?(Z|[+-]\d{2}:?\d{2}))?`)

// value numbers what is in v, the value of a member of that name within the
// member parent. Members come in the order of their names, so that the numbers
// do not depend on theirs.
func (n numbering) value(v any, name, parent string) any {
	switch v := v.(type) {
	case map[string]any:
		called := parent == "tool_calls" || v["type"] == "tool_call"
		for _, member := range slices.Sorted(maps.Keys(v)) {
			text, isText := v[member].(string)
			switch {
			case isText && (called && member == "id" || isCallID(member)):
				v[member] = rawjson.NumberOf(n.ids, text, "id")
			default:
				v[member] = n.value(v[member], member, name)
			}
		}
	case []any:
		for i := range v {
			v[i] = n.value(v[i], "", name)
		}
	case string:
		return moment.ReplaceAllStringFunc(v, func(s string) string { return rawjson.NumberOf(n.moments, s, "time") })
	case json.Number:
		return plainNumber(v)
	}
	return v
}

func isCallID(member string) bool {
	return member == "tool_call_id" || member == "call_id" || member == "previous_response_id"
}

// plainNumber writes numbers that are the same in the same way, as far as a
// float64 tells them apart.
func plainNumber(n json.Number) any {
	f, err := n.Float64()
	if err != nil || len(n) > 15 {
		return n
	}
	return json.Number(strconv.FormatFloat(f, 'g', -1, 64))
}

// A difference is a place where two requests are not the same.
type difference struct {
	place          string // a JSON pointer
	recorded, got  any
	noRecord, none bool // there is nothing on that side
}

// differences returns those to the nearest form of a request. The caller holds
// the tape's mu.
func (e *exchange) differences(forms []any) (least []difference) {
	if e.form == nil {
		e.form = normal(e.Request)
	}
	for i, form := range forms {
		var diffs []difference
		compare(&diffs, "", e.form, form)
		if i == 0 || len(diffs) < len(least) {
			least = diffs
		}
	}
	return least
}

func compare(diffs *[]difference, place string, recorded, got any) {
	switch r := recorded.(type) {
	case map[string]any:
		if g, ok := got.(map[string]any); ok {
			compareObjects(diffs, place, r, g)
			return
		}
	case []any:
		if g, ok := got.([]any); ok {
			compareArrays(diffs, place, r, g)
			return
		}
	default:
		if _, ok := got.(map[string]any); ok {
			break
		}
		if _, ok := got.([]any); !ok && recorded == got {
			return
		}
	}
	*diffs = append(*diffs, difference{place: place, recorded: recorded, got: got})
}

func compareObjects(diffs *[]difference, place string, recorded, got map[string]any) {
	names := maps.Clone(recorded)
	maps.Copy(names, got)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		at := place + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
		r, inRecorded := recorded[name]
		g, inGot := got[name]
		if inRecorded && inGot {
			compare(diffs, at, r, g)
			continue
		}
		*diffs = append(*diffs, difference{place: at, recorded: r, got: g, noRecord: !inRecorded, none: !inGot})
	}
}

func compareArrays(diffs *[]difference, place string, recorded, got []any) {
	for i := range max(len(recorded), len(got)) {
		at := fmt.Sprintf("%s/%d", place, i)
		switch {
		case i >= len(got):
			*diffs = append(*diffs, difference{place: at, recorded: recorded[i], none: true})
		case i >= len(recorded):
			*diffs = append(*diffs, difference{place: at, got: got[i], noRecord: true})
		default:
			compare(diffs, at, recorded[i], got[i])
		}
	}
}

// maxDifferences bounds how many are shown.
const maxDifferences = 5

func showDifferences(diffs []difference) string {
	var b strings.Builder
	for i, d := range diffs {
		if i == maxDifferences {
			fmt.Fprintf(&b, "\n  … and %s", clip.Count(len(diffs)-i, "more difference"))
			break
		}
		recorded, got := d.texts()
		fmt.Fprintf(&b, "\n  %s\n    recorded: %s\n    got:      %s", d.place, recorded, got)
	}
	return b.String()
}

// texts shows both sides, long ones from a little before they part.
func (d difference) texts() (recorded, got string) {
	recorded, got = shown(d.recorded, d.noRecord), shown(d.got, d.none)
	const before, all = 40, 160
	same := 0
	for same < min(len(recorded), len(got)) && recorded[same] == got[same] {
		same++
	}
	if from := same - before; from > before {
		from = len(clip.Cut(recorded, from))
		recorded, got = clip.Ellipsis+recorded[from:], clip.Ellipsis+got[from:]
	}
	return clip.Runes(recorded, all), clip.Runes(got, all)
}

func shown(v any, nothing bool) string {
	if nothing {
		return "(nothing)"
	}
	text, err := rawjson.Marshal(v)
	if err != nil {
		return fmt.Sprint(v) // cannot be: it is decoded JSON
	}
	return string(text)
}
