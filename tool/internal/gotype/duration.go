package gotype

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
)

// A model writes a time.Duration as text in Go's format, "1h30m". All readers of the
// canonical arguments, including the function, get nanoseconds, as encoding/json
// expects. Callers may also send nanoseconds, because a program marshals its own
// arguments.

// durationPattern is the shown format. ParseDuration reads a little more.
const durationPattern = `([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+$`

// durationLimits are the limits of a duration in a tag.
type durationLimits struct {
	min, max     *time.Duration
	above, below *time.Duration // exclusive limits
	multiple     *time.Duration
	enum         []time.Duration
}

// limitTags lists the keywords that bound numbers and durations.
var limitTags = []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}

// textTags lists the keywords of strings that have no effect on a duration.
var textTags = []string{"pattern", "format", "minLength", "maxLength"}

func durationLimitsOf(tag reflect.StructTag) (*durationLimits, error) {
	l := &durationLimits{}
	to := map[string]**time.Duration{"minimum": &l.min, "maximum": &l.max, "exclusiveMinimum": &l.above, "exclusiveMaximum": &l.below, "multipleOf": &l.multiple}
	for _, element := range tagElements(tag.Get("jsonschema")) {
		key, val, _ := strings.Cut(element, "=")
		limit := to[key]
		if limit == nil && key != "enum" {
			continue
		}
		d, ok := durationOf(val)
		switch {
		case !ok, key == "multipleOf" && d <= 0:
			return nil, fmt.Errorf("tag jsonschema: %s is not a duration", element)
		case limit != nil:
			*limit = &d
		default:
			l.enum = append(l.enum, d)
		}
	}
	return l, nil
}

// durationOf parses a duration: text with a unit, or whole nanoseconds.
func durationOf(s string) (time.Duration, bool) {
	if d, err := time.ParseDuration(s); err == nil {
		return d, true
	}
	number, ok := tree.ReadNumber(s)
	if !ok || number.Exponent > tree.MaxExponent || number.Exponent < -tree.MaxExponent {
		return 0, false
	}
	ns, err := strconv.ParseInt(number.Canonical(s), 10, 64)
	return time.Duration(ns), err == nil
}

// durationText returns the shortest text of a duration.
func durationText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// fitDuration describes a duration. A duration with ",string" looks the same to a model.
// null reports whether the value may be nil.
func (r *Reflection) fitDuration(n *tree.Value, tag reflect.StructTag, quoted, null bool) error {
	limits, err := durationLimitsOf(tag)
	if err != nil {
		return err
	}
	for _, keyword := range []string{"enum", "examples"} {
		asDurations(n.Get(keyword))
	}
	asDurations(n.Get("default"))
	n.Set("type", tree.Text("string"))
	must := limits.must()
	switch {
	case len(limits.enum) > 0:
		must = validate.MustBeOneOf(n.Get("enum").Items)
	default:
		n.Set("pattern", tree.Text(limits.pattern()))
		describe(n, "A"+must[len("must be a"):]+".")
	}
	if tried := limits.samples(); len(tag) > 0 && limits.bounded() && !n.Has("enum", "examples") && len(tried) > 0 {
		n.Set("examples", tree.Texts(tried...))
	}
	n.Front("description")
	n.Front("type")
	note := r.note(n)
	note.drop = []string{"type", "pattern", "enum", "examples"}
	note.set = []tree.Member{{Name: "format", Value: tree.Text(r.format(validate.TextFormat{Must: strings.TrimPrefix(must, "must be "), Any: func(v any) error {
		return limits.check(v, quoted, null)
	}}))}}
	return nil
}

// isDurations reports whether t is a duration, or a list of durations.
func isDurations(t reflect.Type) bool {
	t = Indirect(t)
	if k := t.Kind(); k == reflect.Slice || k == reflect.Array {
		t = Indirect(t.Elem())
	}
	return t == durationType
}

// readDurations checks that a value in a tag is a duration, or a list of durations.
func readDurations(v *tree.Value) error {
	for _, item := range v.Items {
		if err := readDurations(item); err != nil {
			return err
		}
	}
	if _, ok := durationOf(v.Text); !ok && v.Form != tree.ArrayForm {
		return errNoDuration
	}
	return nil
}

// asDurations rewrites the durations of a tag as text for the model.
func asDurations(v *tree.Value) {
	if v == nil {
		return
	}
	for _, item := range v.Items {
		asDurations(item)
	}
	if d, ok := durationOf(v.Text); ok && (v.Form == tree.StringForm || v.Form == tree.NumberForm) {
		*v = *tree.Text(durationText(d))
	}
}

var errNoDuration = errors.New("no duration within the limits")

// check validates a value against the limits.
func (l *durationLimits) check(v any, quoted, null bool) error {
	var d time.Duration
	ok := false
	switch v := v.(type) {
	case nil:
		if null {
			return nil
		}
	case string:
		var err error
		if d, err = time.ParseDuration(v); err == nil {
			ok = true
		} else if quoted {
			ok = readQuoted(v, durationType) == nil
			d, _ = durationOf(v)
		}
	case json.Number:
		d, ok = durationOf(v.String())
		ok = ok && !quoted
	}
	if !ok || !l.allow(d) {
		return errNoDuration
	}
	return nil
}

func (l *durationLimits) allow(d time.Duration) bool {
	switch {
	case l.min != nil && d < *l.min, l.max != nil && d > *l.max, l.above != nil && d <= *l.above, l.below != nil && d >= *l.below,
		l.multiple != nil && d%*l.multiple != 0:
		return false
	}
	return len(l.enum) == 0 || slices.Contains(l.enum, d)
}

func (l *durationLimits) bounded() bool {
	return l.min != nil || l.max != nil || l.above != nil || l.below != nil || l.multiple != nil
}

// must describes the valid durations.
func (l *durationLimits) must() string {
	must := "must be a duration"
	if samples := l.samples(); len(samples) > 0 {
		must += " such as " + strings.Join(samples, " or ")
	}
	var bounds []string
	add := func(what string, d *time.Duration) {
		if d != nil {
			bounds = append(bounds, what+" "+durationText(*d))
		}
	}
	add("at least", l.min)
	add("at most", l.max)
	add("more than", l.above)
	add("less than", l.below)
	add("a multiple of", l.multiple)
	if len(bounds) > 0 {
		must += ", " + strings.Join(bounds, " and ")
	}
	return must
}

// samples returns up to two durations within the limits, as text for the model.
func (l *durationLimits) samples() []string {
	tried := []time.Duration{30 * time.Second, 90 * time.Minute, time.Minute, time.Second, 100 * time.Millisecond, time.Hour, 24 * time.Hour}
	for _, d := range []*time.Duration{l.min, l.max, l.multiple} {
		if d != nil {
			tried = append(tried, *d)
		}
	}
	if l.above != nil {
		tried = append(tried, *l.above+1, *l.above+time.Millisecond)
	}
	if l.below != nil {
		tried = append(tried, *l.below-1, *l.below-time.Millisecond)
	}
	var samples []string
	for _, d := range tried {
		if s := durationText(d); len(samples) < 2 && l.allow(d) && !slices.Contains(samples, s) {
			samples = append(samples, s)
		}
	}
	return samples
}

// pattern returns the pattern of the text, without a sign if negative durations are
// invalid.
func (l *durationLimits) pattern() string {
	if l.min != nil && *l.min >= 0 || l.above != nil && *l.above >= 0 {
		return "^" + durationPattern
	}
	return "^-?" + durationPattern
}
