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

// An Outcome is what must come of a request, if all that asks is approved.
type Outcome struct {
	Answer  string
	Calls   int      // that the model makes
	Asks    int      // how many of them wait for a person
	Changes []string // of the database, as Diff tells them
}

// Diff tells what is different in after, a line for each value, in their order:
// "orders #D0000001 status: "pending" → "cancelled"". What is not there is "none".
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

// flat is data as objects by kind and id.
func flat(data *desk.Data) (kinds map[string]map[string]any, err error) {
	text, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return kinds, d.Decode(&kinds)
}

// diff tells the difference at a place. What is of one kind on both sides is
// gone into.
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
		if place[len(place)-1] == ' ' { // of an object itself
			next = place + name
		}
		lines = append(lines, diff(next, wasMembers[name], isMembers[name])...)
	}
	return lines
}

// members are those of an object or an array, or nil.
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
		return fmt.Sprint(v) // it came from JSON, so there is no such value
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
