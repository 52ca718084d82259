package tool_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestOptionErrors: a value that an option cannot take is named.
func TestOptionErrors(t *testing.T) {
	t.Parallel()
	for want, opt := range map[string]tool.Option{
		`tool "x": timeout 0s: must be positive, or -1 for no limit`:     tool.Timeout(0),
		`tool "x": timeout -2ns: must be positive, or -1 for no limit`:   tool.Timeout(-2),
		`tool "x": timeout -1m0s: must be positive, or -1 for no limit`:  tool.Timeout(-time.Minute),
		`tool "x": concurrency 0: must be at least 1`:                    tool.Concurrency(0),
		`tool "x": concurrency -1: must be at least 1`:                   tool.Concurrency(-1),
		`tool "x": max result 0: must be positive, or -1 for no limit`:   tool.MaxResult(0),
		`tool "x": max result -99: must be positive, or -1 for no limit`: tool.MaxResult(-99),
		`tool "x": an option is nil`:                                     nil,
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			made, err := tool.New("x", "", nothing, opt)
			require.EqualError(t, err, want)
			require.Equal(t, tool.Tool{}, made)
			made, err = tool.NewRaw("x", "", nil, echo, tool.Alone(), opt)
			require.EqualError(t, err, want)
			require.Equal(t, tool.Tool{}, made)
		})
	}
}

// TestOptions: each option is told by the tool, and by no other.
func TestOptions(t *testing.T) {
	t.Parallel()
	type told struct {
		timeout                    time.Duration
		alone, idempotent, bounded bool
	}
	of := func(made tool.Tool) told {
		return told{made.Timeout(), made.Alone(), made.Idempotent(), made.Bounded()}
	}
	for _, tt := range []struct {
		name string
		opts []tool.Option
		want told
	}{
		{"none", nil, told{}},
		{"timeout", []tool.Option{tool.Timeout(time.Second)}, told{timeout: time.Second}},
		{"no timeout", []tool.Option{tool.Timeout(-1)}, told{timeout: -1}},
		{"the last of two counts", []tool.Option{tool.Timeout(-1), tool.Timeout(2)}, told{timeout: 2}},
		{"concurrency", []tool.Option{tool.Concurrency(1)}, told{bounded: true}},
		{"alone", []tool.Option{tool.Alone()}, told{alone: true}},
		{"idempotent", []tool.Option{tool.Idempotent()}, told{idempotent: true}},
		{"max result", []tool.Option{tool.MaxResult(1), tool.MaxResult(-1)}, told{}},
		{"unchecked", []tool.Option{tool.AllowUnchecked()}, told{}},
		{
			"all", []tool.Option{tool.Timeout(1), tool.Concurrency(2), tool.Alone(), tool.Idempotent(), tool.MaxResult(3), tool.AllowUnchecked()},
			told{1, true, true, true},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			typed := tool.Must(tool.New("x", "", nothing, tt.opts...))
			raw := tool.Must(tool.NewRaw("x", "", nil, echo, tt.opts...))
			require.Equal(t, tt.want, of(typed))
			require.Equal(t, tt.want, of(raw))
			require.NoError(t, typed.Unchecked())
			require.NoError(t, raw.Unchecked())
		})
	}
	require.Equal(t, told{}, of(tool.Tool{}))
	require.NoError(t, tool.Tool{}.Unchecked())
	require.Empty(t, tool.Tool{}.Fingerprint())
}

// uncompilable is a schema of another program with an invalid reference.
var uncompilable = json.RawMessage(`{"type":"object","properties":{"a":{"$ref":"#/$defs/Gone"}},"required":["a"]}`)

// TestAllowUnchecked: the arguments of an unchecked tool may be any object.
func TestAllowUnchecked(t *testing.T) {
	t.Parallel()
	_, err := tool.NewRaw("x", "", uncompilable, echo)
	require.ErrorContains(t, err, `tool "x": `)
	require.ErrorContains(t, err, "Gone")

	x := tool.Must(tool.NewRaw("x", "", uncompilable, echo, tool.AllowUnchecked()))
	require.ErrorContains(t, x.Unchecked(), "Gone")
	require.JSONEq(t, `{"type":"object","properties":{"a":{}},"required":["a"]}`, string(x.Def().Schema), "the model is shown what can be read")
	args, repairs, err := x.Parse(` {"b": [1.0, "x"], "a": null} `)
	require.NoError(t, err)
	require.Empty(t, repairs)
	require.Equal(t, `{"b":[1,"x"],"a":null}`, string(args))
	for _, bad := range []string{`[]`, `"x"`, `{"a":`, `{"a":1,"a":2}`} {
		_, _, err := x.Parse(bad)
		require.Error(t, err, bad)
	}

	for _, no := range []string{`[]`, `{"type":"string"}`, `{"properties":[1]}`, `{"properties":{"a":{"enum":[]}}}`, `{"oneOf":[{}]}`, `{`} {
		_, err := tool.NewRaw("x", "", json.RawMessage(no), echo, tool.AllowUnchecked())
		require.Error(t, err, no)
	}
}

// TestFingerprint: the fingerprint is stable, since journals record it, and changes only
// with the definition for the model.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	schema := json.RawMessage(`{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}`)
	raw := func(name, description string, schema json.RawMessage, opts ...tool.Option) string {
		return tool.Must(tool.NewRaw(name, description, schema, echo, opts...)).Fingerprint()
	}
	want := raw("get_weather", "Weather of a city.", schema)
	require.Equal(t, "c6ef4d13258d2de913f42820226f1ee0", want)
	same := []string{
		raw("get_weather", "Weather of a city.", schema, tool.Alone(), tool.Concurrency(2), tool.Timeout(1), tool.Idempotent(), tool.MaxResult(9)),
		raw("get_weather", "Weather of a city.", json.RawMessage(" {\"$id\":\"x\", \"properties\": {\"city\":{\"type\":\"string\"}},\n\"type\":\"object\",\"required\":[\"city\"]}")),
	}
	for _, s := range same {
		require.Equal(t, want, s)
	}
	seen := map[string]bool{want: true}
	for _, other := range []string{
		raw("get_weathe", "rWeather of a city.", schema),
		raw("get_weather2", "Weather of a city.", schema),
		raw("get_weather", "Weather of a city", schema),
		raw("get_weather", "", schema),
		raw("get_weather", "Weather of a city.", nil),
		raw("get_weather", "Weather of a city.", json.RawMessage(`{"properties":{"city":{"type":"string"}}}`)),
		raw("get_weather", "Weather of a city.", json.RawMessage(`{"properties":{"city":{"type":"string","description":"Where."}},"required":["city"]}`)),
	} {
		require.Len(t, other, 32)
		require.False(t, seen[other])
		seen[other] = true
	}
}
