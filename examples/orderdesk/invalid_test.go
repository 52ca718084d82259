package main_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// spoilt has a wrong call before each right one. The kinds that apply take turns.
func spoilt(t *testing.T, j job) (turns []turn) {
	t.Helper()
	for i, c := range j.Calls {
		bad := spoil(t, c)
		turns = append(turns, turn{calls: []planned{bad[(i+j.line)%len(bad)]}}, turn{calls: []planned{{call: c}}})
	}
	return append(turns, last(j))
}

// spoil returns the wrong calls that can be made of a right one.
func spoil(t *testing.T, c call) []planned {
	t.Helper()
	var args map[string]any
	require.NoError(t, json.Unmarshal(c.Arguments, &args))
	bad := []planned{{call: call{Name: c.Name + "_now", Arguments: c.Arguments}, bad: string(tool.UnknownTool), hint: `"` + c.Name + `"?`}}
	with := func(hint string, change func(map[string]any)) {
		var other map[string]any
		require.NoError(t, json.Unmarshal(c.Arguments, &other))
		change(other)
		text, err := json.Marshal(other)
		require.NoError(t, err)
		bad = append(bad, planned{call: call{Name: c.Name, Arguments: text}, bad: string(tool.InvalidArguments), hint: hint})
	}
	for _, name := range names(args) {
		if strings.HasSuffix(name, "_id") {
			with(`required property "`+name+`" is missing`, func(a map[string]any) { delete(a, name) })
		}
		switch args[name].(type) {
		case string:
			with(name, func(a map[string]any) { a[name] = 12345 })
			with(name, func(a map[string]any) { a[name] = []string{"x"} })
		case []any:
			with(name, func(a map[string]any) { a[name] = map[string]any{} })
			with(name, func(a map[string]any) { a[name] = []any{12345} })
		}
	}
	if reason, ok := args["reason"].(string); ok {
		with("no longer needed", func(a map[string]any) { a["reason"] = strings.ToUpper(reason) })
		with("no longer needed", func(a map[string]any) { a["reason"] = strings.ToUpper(reason[:1]) + reason[1:] })
	}
	return bad
}

func names(args map[string]any) (names []string) {
	for name := range args {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
