package tool_test

import (
	"context"
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

func echo(_ context.Context, args json.RawMessage) (json.RawMessage, error) { return args, nil }

func nothing(context.Context, struct{}) (string, error) { return "done", nil }

func TestConstructorErrors(t *testing.T) {
	t.Parallel()
	var noFunction func(context.Context, struct{}) (string, error)
	var noRawFunction func(context.Context, json.RawMessage) (string, error)
	tests := []struct {
		name string
		make func() (tool.Tool, error)
		want string
	}{
		{"empty name", func() (tool.Tool, error) { return tool.New("", "", nothing) },
			`tool "": a name has 1 to 64 of the characters a-z A-Z 0-9 _ -`},
		{"bad name", func() (tool.Tool, error) { return tool.New("get weather", "", nothing) },
			`tool "get weather": a name has 1 to 64 of the characters a-z A-Z 0-9 _ -`},
		{"name with a line break", func() (tool.Tool, error) { return tool.NewRaw("x\n", "", nil, echo) },
			`tool "x\n": a name has 1 to 64 of the characters a-z A-Z 0-9 _ -`},
		{"long name", func() (tool.Tool, error) { return tool.New(strings.Repeat("a", 65), "", nothing) },
			`tool "` + strings.Repeat("a", 65) + `": a name has 1 to 64 of the characters a-z A-Z 0-9 _ -`},
		{"no function", func() (tool.Tool, error) { return tool.New("x", "", noFunction) }, `tool "x": the function is nil`},
		{"no raw function", func() (tool.Tool, error) { return tool.NewRaw("x", "", nil, noRawFunction) }, `tool "x": the function is nil`},
		{"nil option", func() (tool.Tool, error) { return tool.New("x", "", nothing, nil) }, `tool "x": an option is nil`},
		{"zero timeout", func() (tool.Tool, error) { return tool.New("x", "", nothing, tool.Timeout(0)) },
			`tool "x": timeout 0s: must be positive, or -1 for no limit`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			made, err := tt.make()
			require.EqualError(t, err, tt.want)
			require.True(t, made.IsZero())
			require.PanicsWithError(t, tt.want, func() { tool.Must(tt.make()) })
		})
	}
}

func TestTool(t *testing.T) {
	t.Parallel()
	made := tool.Must(tool.New("get_it-2", "Gets it.", nothing, tool.Timeout(time.Minute)))
	require.False(t, made.IsZero())
	require.Equal(t, "get_it-2", made.Name())
	require.Equal(t, time.Minute, made.Timeout())
	require.Equal(t, llm.ToolDef{
		Name:        "get_it-2",
		Description: "Gets it.",
		Schema:      json.RawMessage(`{"type":"object","properties":{},"additionalProperties":false}`),
		Strict:      json.RawMessage(`{"type":"object","properties":{},"required":[],"additionalProperties":false}`),
	}, made.Def())

	def := made.Def()
	def.Schema[0], def.Strict[0] = 'x', 'x'
	require.NotEqual(t, def, made.Def(), "the bytes are the caller's")

	for _, none := range []string{"", " \n", "{}", " { } ", "null"} {
		args, _, err := made.Parse(none)
		require.NoError(t, err)
		require.Equal(t, `{}`, string(args))
	}
	require.Equal(t, time.Duration(-1), tool.Must(tool.New("x", "", nothing, tool.Timeout(-1))).Timeout())
}

func TestZeroTool(t *testing.T) {
	t.Parallel()
	var zero tool.Tool
	require.True(t, zero.IsZero())
	require.Equal(t, "", zero.Name())
	require.Equal(t, llm.ToolDef{}, zero.Def())
	require.Equal(t, time.Duration(0), zero.Timeout())
	_, _, err := zero.Parse(`{}`)
	require.Error(t, err)
	_, err = zero.Call(t.Context(), nil)
	require.Error(t, err)
}

func TestRawSchemas(t *testing.T) {
	t.Parallel()
	const none = `{"type":"object","properties":{}}`
	tests := []struct{ name, schema, want, err string }{
		{"none", ``, none, ``},
		{"null", `null`, none, ``},
		{"empty", `{}`, none, ``},
		{"no type", `{"properties":{"b":{},"a":true},"x-y":1}`, `{"type":"object","properties":{"b":{},"a":true},"x-y":1}`, ``},
		{"no properties", `{"additionalProperties":true,"type":"object"}`, `{"type":"object","properties":{},"additionalProperties":true}`, ``},
		{"null properties", `{"type":"object","properties":null,"required":null}`, none, ``},
		{"null below", `{"properties":{"a":{"type":"object","properties":null,"required":null},"b":{"type":"array","items":null},"c":{"const":null}}}`,
			`{"type":"object","properties":{"a":{"type":"object"},"b":{"type":"array"},"c":{"const":null}}}`, ``},
		{"unknown draft below", `{"properties":{"a":{"$schema":"https://x/y","type":"string"}}}`, `{"type":"object","properties":{"a":{"type":"string"}}}`, ``},
		{"type list", `{"type":["object","null"]}`, none, ``},
		{"order and numbers", `{"type":"object","properties":{"z":{"maximum":9007199254740993,"minimum":1.50},"a":{}}}`,
			`{"type":"object","properties":{"z":{"maximum":9007199254740993,"minimum":1.50},"a":{}}}`, ``},
		{"draft and id", `{"$schema":"http://json-schema.org/draft-07/schema#","$id":"https://x/y","type":"object"}`, none, ``},
		{"unknown draft", `{"$schema":"draft7","type":"object"}`, none, ``},
		{"references", `{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"type":"string"}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"type":"string"}}}`, ``},
		{"combination at the top", `{"properties":{"a":{},"b":{}},"anyOf":[{"required":["a"]},{"required":["b"]}]}`,
			`{"type":"object","properties":{"a":{},"b":{}}}`, ``},
		{"only a combination", `{"oneOf":[{"properties":{"a":{}}}]}`, ``,
			`tool "raw": schema: providers refuse oneOf, anyOf, allOf, not and enum at the top; describe the arguments in "properties"`},
		{"array", `{"type":"array"}`, ``, `tool "raw": schema: the arguments must be of type object, not array`},
		{"boolean", `true`, ``, `tool "raw": schema: must be a JSON object, not true`},
		{"no JSON", `{"type":`, ``, `tool "raw": schema: its JSON ends too early (cut off?)`},
		{"unknown type", `{"properties":{"a":{"type":"thing"}}}`, ``, `tool "raw": schema: /properties/a/type: must be one of "array", "boolean", "integer", "null", "number", "object", "string"; got the string "thing"`},
		{"required is a number", `{"properties":{"a":{"required":1}}}`, ``, `tool "raw": schema: /properties/a/required: must be array, got the number 1`},
		{"an empty enum", `{"properties":{"a":{"items":{"enum":[]}}}}`, ``, `tool "raw": schema: /properties/a/items/enum: has no values, so nothing would be taken; give some or leave it out`},
		{"dangling", `{"properties":{"a":{"$ref":"#/$defs/A"}}}`, ``, `tool "raw": schema: json-pointer in "tool:///schema#/$defs/A" not found`},
		{"file", `{"properties":{"a":{"$ref":"file:///etc/passwd"}}}`, ``, `tool "raw": schema: failing loading "file:///etc/passwd": no URLLoader registered for "file:///etc/passwd"`},
		{"properties", `{"properties":[1]}`, ``, `tool "raw": schema: "properties" must be an object`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			raw, err := tool.NewRaw("raw", "", json.RawMessage(tt.schema), echo)
			if tt.err != "" {
				require.EqualError(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, string(raw.Def().Schema))
		})
	}
}

func TestRawToolsAreHeldToTheirSchema(t *testing.T) {
	t.Parallel()
	either := tool.Must(tool.NewRaw("either", "",
		json.RawMessage(`{"properties":{"a":{},"b":{}},"oneOf":[{"required":["a"]},{"required":["b"]}]}`), echo))
	_, _, err := either.Parse(`{"a":1}`)
	require.NoError(t, err)
	_, _, err = either.Parse(`{"a":1,"b":2}`)
	require.EqualError(t, err, "invalid_arguments: Arguments for either do not match its schema (1 problem):\n"+
		"- (top level): matches more than one of its allowed forms; it must match exactly one\n"+
		"Send the call again with corrected arguments.")

	draft7 := tool.Must(tool.NewRaw("draft7", "", json.RawMessage(
		`{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"when":{"type":"string","format":"date"}}}`), echo))
	_, _, err = draft7.Parse(`{"when":"tomorrow"}`)
	require.Error(t, err, "draft-07 asserts formats")

	named := tool.Must(tool.NewRaw("named", "", json.RawMessage(`{"$id":"https://x/a/root.json","properties":{
		"a":{"$ref":"https://x/a/root.json#/$defs/n"},"b":{"$ref":"root.json#/$defs/n"},"c":{"$ref":"#/$defs/n"}},"$defs":{"n":{"type":"integer"}}}`), echo))
	_, _, err = named.Parse(`{"a":"x","b":"x","c":"x"}`)
	requireProblems(t, err, "named", `/a: must be integer, got the string "x"`, `/b: must be integer, got the string "x"`, `/c: must be integer, got the string "x"`)

	later := tool.Must(tool.NewRaw("later", "", json.RawMessage(`{"properties":{"when":{"type":"string","format":"date"}}}`), echo))
	_, _, err = later.Parse(`{"when":"tomorrow"}`)
	require.NoError(t, err, "2020-12 does not")
}

func TestNullableTakesNull(t *testing.T) {
	t.Parallel()
	x := tool.Must(tool.NewRaw("update", "", json.RawMessage(`{"$defs":{"n":{"type":"integer"}},"properties":{
		"a":{"type":"string","nullable":true},"b":{"enum":["x"],"type":"string","nullable":true},"c":{"allOf":[{"$ref":"#/$defs/n"}],"nullable":true},
		"d":{"type":"string","nullable":false},"nullable":{"type":"boolean"}},"required":["a"]}`), echo))
	args, repairs, err := x.Parse(`{"a":null,"b":null,"c":null,"d":null,"nullable":true}`)
	require.NoError(t, err)
	require.Equal(t, `{"a":null,"b":null,"c":null,"nullable":true}`, string(args))
	require.Equal(t, []string{"/d: null was removed"}, repairs)
	_, _, err = x.Parse(`{"a":1,"b":"y","c":1}`)
	requireProblems(t, err, "update", "/a: must be null or string, got the number 1", `/b: must be one of "x", null; got the string "y"`)
}

func TestCallFrom(t *testing.T) {
	t.Parallel()
	require.Equal(t, tool.Call{}, tool.CallFrom(t.Context()))
	c := tool.Call{ID: "call_1", Key: "s/r1.t2.c0", Fence: 5, Tool: "which", Session: "s", Turn: 2}
	which := tool.Must(tool.New("which", "", func(ctx context.Context, _ struct{}) (tool.Call, error) {
		return tool.CallFrom(ctx), nil
	}))
	got, err := which.Call(tool.WithCall(t.Context(), c, nil), json.RawMessage(`{}`))
	require.NoError(t, err)
	require.Equal(t, `{"ID":"call_1","Key":"s/r1.t2.c0","Fence":5,"Tool":"which","Session":"s","Turn":2,"Deadline":"0001-01-01T00:00:00Z"}`, llm.Message{Parts: got}.Text())
}

// A function that calls Goexit ends the caller's goroutine, so an engine starts a
// goroutine for the function.
func TestGoexit(t *testing.T) {
	t.Parallel()
	quits := tool.Must(tool.New("quits", "", func(context.Context, struct{}) (string, error) {
		runtime.Goexit()
		return "", nil
	}))
	returned := true
	done := make(chan struct{})
	go func() {
		defer close(done)
		returned = false
		_, _ = quits.Call(context.Background(), json.RawMessage(`{}`))
		returned = true
	}()
	<-done
	require.False(t, returned)
}

func TestRawArgumentsAreTheFunctions(t *testing.T) {
	t.Parallel()
	spoils := tool.Must(tool.NewRaw("spoils", "", nil, func(_ context.Context, args json.RawMessage) (string, error) {
		args[0] = 'x'
		return "", nil
	}))
	args := json.RawMessage(`{}`)
	_, err := spoils.Call(t.Context(), args)
	require.NoError(t, err)
	require.Equal(t, `{}`, string(args))
}
