package main_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// spoilt inserts an invalid call before each valid call. The applicable kinds take
// turns.
func spoilt(t *testing.T, j job) (turns []turn) {
	t.Helper()
	for i, c := range j.Calls {
		bad := spoil(t, c)
		turns = append(turns, turn{calls: []planned{bad[(i+j.line)%len(bad)]}}, turn{calls: []planned{{call: c}}})
	}
	return append(turns, last(j))
}

// spoil returns the invalid calls for a valid call.
func spoil(t *testing.T, c call) []planned {
	t.Helper()
	var args map[string]any
	require.NoError(t, json.Unmarshal(c.Arguments, &args))
	// One letter too many: with more letters, a short name would leave nothing to
	// guess.
	bad := []planned{{call: call{Name: c.Name + "s", Arguments: c.Arguments}, bad: string(tool.UnknownTool), hint: `"` + c.Name + `"?`}}
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

// TestSpoilt: for every tool, each invalid call is refused as the variant "invalid"
// requires. The jobs at hand do not call all tools.
func TestSpoilt(t *testing.T) {
	t.Parallel()
	d := openDesk(t, unsynced(filepath.Join(t.TempDir(), "desk.db")))
	_, err := d.Seed(t.Context())
	require.NoError(t, err)
	before, err := d.Export(t.Context())
	require.NoError(t, err)

	var turns []turn
	var steps []llmtest.Step
	for _, x := range d.Tools() {
		right := call{Name: "think", Arguments: json.RawMessage(`{"thought":"Once more."}`)} // too many turns of invalid calls in a row would end the run
		wrong := spoil(t, call{Name: x.Def().Name, Arguments: fitting(t, x)})
		turns = append(turns, turn{calls: append(wrong, planned{call: right})})
	}
	turns = append(turns, last(job{}))
	for _, u := range turns {
		steps = append(steps, u.step())
	}
	script := llmtest.Script(t, steps...)
	_, events, err := runs(t.Context(), approving(d, script.Serve().BaseURL).Session("job"), d, runner.Say(request))
	require.NoError(t, err)
	requireResults(t, turns, lastOf(script.Requests()))
	requireEvents(t, turns, events)

	after, err := d.Export(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// fitting returns valid arguments for a tool.
func fitting(t *testing.T, x tool.Tool) json.RawMessage {
	t.Helper()
	var schema struct {
		Properties map[string]struct {
			Type string
			Enum []string
		}
	}
	require.NoError(t, json.Unmarshal(x.Def().Schema, &schema))
	args := map[string]any{}
	for name, p := range schema.Properties {
		switch {
		case len(p.Enum) > 0:
			args[name] = p.Enum[0]
		case p.Type == "array":
			args[name] = []string{"1"}
		default:
			args[name] = "1"
		}
	}
	text, err := json.Marshal(args)
	require.NoError(t, err)
	_, _, err = x.Parse(string(text))
	require.NoError(t, err)
	return text
}
