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

// A model writes a time.Duration as Go does in text, "1h30m". What the function gets,
// and whoever else reads the arguments, is the number of nanoseconds that encoding/json
// knows. That number is taken from callers, too: a program marshals its own arguments.

// durationPattern is the text that a model is shown; ParseDuration reads a little more.
const durationPattern = `([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+$`

// durationLimits are what a tag says of durations.
type durationLimits struct {
	min, max     *time.Duration
	above, below *time.Duration // minimum and maximum, exclusive
	multiple     *time.Duration
	enum         []time.Duration
}

// limitTags are the keywords of a tag that bound numbers, and so durations.
var limitTags = []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}

// textTags are the keywords that have no meaning for a duration, though it is shown
// as text.
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
			return nil, fmt.Errorf("tag jsonschema: %s is no duration", element)
		case limit != nil:
			*limit = &d
		default:
			l.enum = append(l.enum, d)
		}
	}
	return l, nil
}

// durationOf reads a duration: text with a unit, or whole nanoseconds.
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

// durationText is the shortest text of a duration.
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

// fitDuration describes a duration, or one that travels in a string as ",string" says,
// which is the same to a model. null is whether it can be nil.
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
		tell(n, "A"+must[len("must be a"):]+".")
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

// isDurations reports whether a type is a duration, or a list of them.
func isDurations(t reflect.Type) bool {
	t = Indirect(t)
	if k := t.Kind(); k == reflect.Slice || k == reflect.Array {
		t = Indirect(t.Elem())
	}
	return t == durationType
}

// readDurations reports whether a value in a tag is a duration, or a list of them.
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

// asDurations writes the durations of a tag as a model does.
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

// check reports whether a value is such a duration.
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

// must says what a duration must be.
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

// samples are up to two durations within the limits, as a model may write them.
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

// pattern is that of the text, without a sign where no duration may be negative.
func (l *durationLimits) pattern() string {
	if l.min != nil && *l.min >= 0 || l.above != nil && *l.above >= 0 {
		return "^" + durationPattern
	}
	return "^-?" + durationPattern
}
