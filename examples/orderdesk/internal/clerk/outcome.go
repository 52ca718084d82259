package clerk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
)

// An Outcome is the expected result of a request if a person approves all calls.
type Outcome struct {
	Answer  string
	Calls   int      // the number of calls
	Asks    int      // the number of calls that need approval
	Changes []string // changes of the database, in the form of Diff
}

// Diff describes the differences of after from before, a line for each value, in
// order: "orders #D0000001 status: "pending" → "cancelled"". A missing value is
// "none".
func Diff(before, after *desk.Data) ([]string, error) {
	was, err := flat(before)
	if err != nil {
		return nil, err
	}
	is, err := flat(after)
	if err != nil {
		return nil, err
	}
	var lines []string
	for kind := range is {
		for id := range union(was[kind], is[kind]) {
			lines = append(lines, diff(kind+" "+id+" ", was[kind][id], is[kind][id])...)
		}
	}
	slices.Sort(lines)
	return lines, nil
}

// flat returns data as objects by kind and id.
func flat(data *desk.Data) (kinds map[string]map[string]any, err error) {
	text, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return kinds, d.Decode(&kinds)
}

// diff describes the difference at a path. It descends into values of the same kind.
func diff(place string, was, is any) (lines []string) {
	wasMembers, isMembers := members(was), members(is)
	if wasMembers == nil || isMembers == nil {
		if was, is := show(was), show(is); was != is {
			lines = append(lines, place+": "+was+" → "+is)
		}
		return lines
	}
	for name := range union(wasMembers, isMembers) {
		next := place + "." + name
		if place[len(place)-1] == ' ' { // the path of an object itself
			next = place + name
		}
		lines = append(lines, diff(next, wasMembers[name], isMembers[name])...)
	}
	return lines
}

// members returns the members of an object or an array, or nil.
func members(v any) map[string]any {
	switch v := v.(type) {
	case map[string]any:
		return v
	case []any:
		m := map[string]any{}
		for i, e := range v {
			m[strconv.Itoa(i)] = e
		}
		return m
	}
	return nil
}

func show(v any) string {
	if v == nil {
		return "none"
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v) // values from JSON never fail
	}
	return string(text)
}

func union(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]any{}
	}
	maps.Copy(all, b)
	return all
}
