package mcp_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// badSchemas are frequent mistakes in the schemas of servers. Strict providers refuse
// every request with such a schema.
var badSchemas = map[string]struct {
	schema string
	shown  string // what the model gets; "": the tool is left out
	reason string // why the tool is left out, or is not checked as it is said
}{
	"a type of another language":  {`{"type":"object","properties":{"n":{"type":"int"}}}`, `{"type":"object","properties":{"n":{"type":"integer"}}}`, ""},
	"the type any":                {`{"type":"object","properties":{"n":{"type":"any"}}}`, `{"type":"object","properties":{"n":{}}}`, ""},
	"a type that nobody knows":    {`{"type":"object","properties":{"n":{"type":"thing"}}}`, `{"type":"object","properties":{"n":{}}}`, `"thing"`},
	"required among properties":   {`{"type":"object","properties":{"n":{"type":"string"},"required":["n"]}}`, `{"type":"object","properties":{"n":{"type":"string"}},"required":["n"]}`, ""},
	"an enum that is null":        {`{"type":"object","properties":{"n":{"type":"string","enum":null}}}`, `{"type":"object","properties":{"n":{"type":"string"}}}`, ""},
	"an enum without values":      {`{"type":"object","properties":{"n":{"type":"string","enum":[]}}}`, "", `tool "s__bad": schema: /properties/n/enum: has no values, so nothing would be taken; give some or leave it out`},
	"a reference to nothing":      {`{"type":"object","properties":{"n":{"$ref":"#/definitions/None"}}}`, `{"type":"object","properties":{"n":{}}}`, "#/definitions/None"},
	"a reference to elsewhere":    {`{"type":"object","properties":{"n":{"$ref":"http://evil.example/s.json"}}}`, `{"type":"object","properties":{"n":{}}}`, "http://evil.example/s.json"},
	"properties that are a list":  {`{"type":"object","properties":[]}`, `{"type":"object","properties":{}}`, ""},
	"a schema that is null":       {`null`, `{"type":"object","properties":{}}`, ""},
	"a schema that is a text":     {`"x"`, "", `tool "s__bad": schema: must be a JSON object, not the string "x"`},
	"a schema that is a list":     {`[]`, "", `tool "s__bad": schema: must be a JSON object, not an array of 0 items`},
	"arguments that are a string": {`{"type":"string"}`, "", `tool "s__bad": schema: the arguments must be of type object, not string`},
	"a property twice":            {`{"type":"object","properties":{"n":{"type":"string"},"n":{"type":"number"}}}`, "", `tool "s__bad": schema: duplicate property "n" at /properties`},
	"with what nobody sees":       {`{"type":"object","properties":{"n":{"type":"int","description":"a\u200bb"}}}`, `{"type":"object","properties":{"n":{"type":"integer","description":"ab"}}}`, ""},
}

// TestBadSchemas: a bad schema is repaired, or its tool is left out with the reason. No
// bad schema is sent, and other tools are not affected.
func TestBadSchemas(t *testing.T) {
	t.Parallel()
	for name, tt := range badSchemas {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := open(t, mcp.Server{Name: "s", Dial: offering(answering(`{}`), `{"name":"bad","inputSchema":`+tt.schema+`}`, plainTool).dial})
			tools := toolsOf(t, client)
			if tt.shown == "" {
				require.Equal(t, []string{"s__run"}, namesOf(tools))
				require.Equal(t, []mcp.LeftOut{{Name: "bad", Reason: tt.reason}}, client.Status(t.Context())[0].LeftOut)
				return
			}
			require.Equal(t, []string{"s__bad", "s__run"}, namesOf(tools))
			require.Equal(t, tt.shown, string(tools[0].Def().Schema))
			if tt.reason == "" {
				require.NoError(t, tools[0].Unchecked())
			} else {
				require.ErrorContains(t, tools[0].Unchecked(), tt.reason)
			}
			require.Equal(t, tt.schema, string(client.Status(t.Context())[0].Definitions[0].Schema), "a person sees what the server said")
		})
	}
}

// TestBadSchemasServed: clients of our server see the repaired schemas, too.
func TestBadSchemasServed(t *testing.T) {
	t.Parallel()
	for name, tt := range badSchemas {
		if tt.shown == "" || tt.schema == "null" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := made(tool.NewRaw("bad", "", json.RawMessage(tt.schema), func(context.Context, json.RawMessage) (string, error) { return "", nil }, tool.AllowUnchecked()))
			list, err := serve(t, bad).client(t, nil).ListTools(t.Context(), nil)
			require.NoError(t, err)
			shown, err := json.Marshal(list.Tools[0].InputSchema)
			require.NoError(t, err)
			require.JSONEq(t, string(bad.Def().Schema), string(shown))
		})
	}
}
