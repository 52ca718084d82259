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

// normalize returns a request in the form of the comparison: decoded JSON, with
// numbers in place of call ids and times.
func normalize(request []byte) any {
	var v any
	dec := json.NewDecoder(strings.NewReader(string(request)))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return string(request) // cannot be: it was marshalled, or checked
	}
	n := numbering{ids: map[string]string{}, moments: map[string]string{}}
	return n.value(v, "", "")
}

// A numbering numbers ids and times by their first occurrence.
type numbering struct{ ids, moments map[string]string }

// moment matches a date with a time of day.
var moment = regexp.MustCompile(`\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?( ?(Z|[+-]\d{2}:?\d{2}))?`)

// value normalizes v, the value of the member name within the member parent. Members
// are visited in the order of their names, so that numbers do not depend on the order
// in the document.
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

// plainNumber writes equal numbers in the same way, within the precision of a
// float64.
func plainNumber(n json.Number) any {
	f, err := n.Float64()
	if err != nil || len(n) > 15 {
		return n
	}
	return json.Number(strconv.FormatFloat(f, 'g', -1, 64))
}

// A difference is a place where two requests differ.
type difference struct {
	place          string // a JSON pointer
	recorded, got  any
	noRecord, none bool // the side has no value
}

// differences returns the differences to the most similar form of a request. The
// caller holds the tape's mu.
func (e *interaction) differences(forms []any) (least []difference) {
	if e.normalized == nil {
		e.normalized = normalize(e.Request)
	}
	for i, form := range forms {
		var diffs []difference
		compare(&diffs, "", e.normalized, form)
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

// maxDifferences bounds the differences in an error.
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

// texts returns both values as text. Long values begin shortly before the first
// difference.
func (d difference) texts() (recorded, got string) {
	recorded, got = valueText(d.recorded, d.noRecord), valueText(d.got, d.none)
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

func valueText(v any, nothing bool) string {
	if nothing {
		return "(nothing)"
	}
	text, err := rawjson.Marshal(v)
	if err != nil {
		return fmt.Sprint(v) // cannot be: it is decoded JSON
	}
	return string(text)
}
