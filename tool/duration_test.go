package tool_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
)

type spans struct {
	Wait  time.Duration            `json:"wait"`
	Max   *time.Duration           `json:"max,omitempty" jsonschema:"minimum=1s,maximum=1h,default=90s"`
	Steps []time.Duration          `json:"steps,omitempty" jsonschema:"exclusiveMinimum=0,example=5s"`
	By    map[string]time.Duration `json:"by,omitempty"`
	Text  *time.Duration           `json:"text,string,omitempty"`
	Pick  time.Duration            `json:"pick,omitempty" jsonschema:"enum=1000000000,enum=60s"`
}

func TestDurations(t *testing.T) {
	t.Parallel()
	const bounds = " must be a duration such as 30s or 1m, at least 1s and at most 1h; got "
	const plain = " must be a duration such as 30s or 1h30m; got "
	made := tool.Must(takes[spans]())
	tests := []struct{ in, want, problem string }{
		{`{"wait":"30s"}`, `{"wait":30000000000}`, ""},
		{`{"wait":"-1h2m3.5s"}`, `{"wait":-3723500000000}`, ""},
		{`{"wait":"0"}`, `{"wait":0}`, ""},
		{`{"wait":"1.5µs"}`, `{"wait":1500}`, ""},
		{`{"wait":30000000000}`, `{"wait":30000000000}`, ""},
		{`{"wait":3e10,"max":null}`, `{"wait":30000000000,"max":null}`, ""},
		{`{"wait":"1h","max":"1h","steps":["1ms",2000000],"by":{"a":"1s"},"text":"1s","pick":"1m0s"}`,
			`{"wait":3600000000000,"max":3600000000000,"steps":[1000000,2000000],"by":{"a":1000000000},"text":"1000000000","pick":60000000000}`, ""},
		{`{"wait":"1s","text":"250"}`, `{"wait":1000000000,"text":"250"}`, ""},
		{`{"wait":"1s","pick":1000000000}`, `{"wait":1000000000,"pick":1000000000}`, ""},
		{`{"wait":"30"}`, "", "/wait:" + plain + `the string "30"`},
		{`{"wait":"30 seconds"}`, "", "/wait:" + plain + `the string "30 seconds"`},
		{`{"wait":"PT30S"}`, "", "/wait:" + plain + `the string "PT30S"`},
		{`{"wait":"3000000h"}`, "", "/wait:" + plain + `the string "3000000h"`},
		{`{"wait":1.5}`, "", "/wait:" + plain + "the number 1.5"},
		{`{"wait":true}`, "", "/wait:" + plain + "true"},
		{`{"wait":null}`, "", "/wait:" + plain + "null"},
		{`{"wait":"1s","max":"2h"}`, "", "/max:" + bounds + `the string "2h"`},
		{`{"wait":"1s","max":30}`, "", "/max:" + bounds + "the number 30"},
		{`{"wait":"1s","steps":["0s"]}`, "", `/steps/0: must be a duration such as 30s or 1h30m, more than 0s; got the string "0s"`},
		{`{"wait":"1s","text":7}`, "", "/text:" + plain + "the number 7"},
		{`{"wait":"1s","pick":"2m"}`, "", `/pick: must be one of "1s", "1m"; got the string "2m"`},
		{`{}`, "", `(top level): required property "wait" is missing (A duration such as 30s or 1h30m.)`},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			t.Parallel()
			args, repairs, err := made.Parse(tt.in)
			if tt.problem != "" {
				requireProblems(t, err, "takes", tt.problem)
				return
			}
			require.NoError(t, err)
			require.Empty(t, repairs)
			require.Equal(t, tt.want, string(args))
			again, _, err := made.Parse(string(args))
			require.NoError(t, err)
			require.Equal(t, tt.want, string(again))
		})
	}
	pattern := `"pattern":"^-?([0-9]+(\\.[0-9]+)?(ns|us|ms|s|m|h))+$"`
	positive := `"pattern":"^([0-9]+(\\.[0-9]+)?(ns|us|ms|s|m|h))+$"`
	require.Equal(t, `{"type":"object","properties":{"wait":{"type":"string","description":"A duration such as 30s or 1h30m.",`+pattern+`},`+
		`"max":{"type":"string","description":"A duration such as 30s or 1m, at least 1s and at most 1h. Default: \"1m30s\".",`+positive+`,"examples":["30s","1m"]},`+
		`"steps":{"type":"array","items":{"type":"string","description":"A duration such as 30s or 1h30m, more than 0s.","examples":["5s"],`+positive+`}},`+
		`"by":{"type":"object","additionalProperties":{"type":"string","description":"A duration such as 30s or 1h30m.",`+pattern+`}},`+
		`"text":{"type":"string","description":"A duration such as 30s or 1h30m.",`+pattern+`},`+
		`"pick":{"type":"string","enum":["1s","1m"]}},"additionalProperties":false,"required":["wait"]}`, string(made.Def().Schema))
	strict := tool.Must(takes[struct {
		Wait time.Duration `json:"wait" jsonschema:"maximum=1h"`
	}]())
	require.NoError(t, strict.NotStrict())
	require.Equal(t, `{"type":"object","properties":{"wait":{"type":"string","description":"A duration such as 30s or 1m, at most 1h. Examples: \"30s\", \"1m\".",`+pattern+`}},`+
		`"required":["wait"],"additionalProperties":false}`, string(strict.Def().Strict))
}

// TestDurationsReachTheFunction, and the policy that judges the call.
func TestDurationsReachTheFunction(t *testing.T) {
	t.Parallel()
	var judged, got spans
	made := tool.Must(tool.New("wait", "", func(_ context.Context, in spans) (string, error) { got = in; return "", nil },
		tool.NeedsApprovalIf(func(_ context.Context, in *spans) (bool, error) { judged = *in; return true, nil })))
	args, _, err := made.Parse(`{"wait":"30s","max":"1m","text":"2s","steps":["1s"]}`)
	require.NoError(t, err)
	_, err = made.NeedsApproval(t.Context(), args)
	require.NoError(t, err)
	_, err = made.Call(t.Context(), args)
	require.NoError(t, err)
	want := spans{Wait: 30 * time.Second, Max: new(time.Minute), Text: new(2 * time.Second), Steps: []time.Duration{time.Second}}
	require.Equal(t, want, got)
	require.Equal(t, want, judged)
	var own spans
	require.NoError(t, json.Unmarshal(args, &own), "whoever else reads the arguments")
	require.Equal(t, want, own)
}
