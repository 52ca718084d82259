package mcp_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// TestExactHints: a hint counts only under its exact name, and only if it is there
// once. Otherwise a call could run without approval.
func TestExactHints(t *testing.T) {
	t.Parallel()
	const careful, harmless = "asks true, repeats false, destructive true, open true", "asks false, repeats true, destructive false, open false"
	for name, tt := range map[string]struct{ members, want string }{
		"exact":                      {`"annotations":{"readOnlyHint":true,"idempotentHint":true,"destructiveHint":false,"openWorldHint":false}`, harmless},
		"exact, with escapes":        {`"annotations":{"read\u004fnlyHint":true,"idempotentHint":true,"destructiveHint":false,"openWorldHint":false}`, harmless},
		"none":                       {`"x":1`, careful},
		"capitals behind":            {`"annotations":{"readOnlyHint":false,"READONLYHINT":true}`, careful},
		"capitals before":            {`"annotations":{"READONLYHINT":true,"readOnlyHint":false}`, careful},
		"capitals alone":             {`"annotations":{"ReadOnlyHint":true,"IdempotentHint":true,"DestructiveHint":false,"OpenWorldHint":false}`, careful},
		"a letter that folds":        {`"annotations":{"readOnlyHint":false,"idempotentHint":false},"annotation\u017f":{"readOnlyHint":true,"idempotentHint":true}`, careful},
		"annotations in capitals":    {`"annotations":{"readOnlyHint":false},"Annotations":{"readOnlyHint":true,"idempotentHint":true,"destructiveHint":false}`, careful},
		"capitals before them":       {`"ANNOTATIONS":{"readOnlyHint":true,"idempotentHint":true},"annotations":{}`, careful},
		"null behind":                {`"annotations":{"readOnlyHint":null,"readonlyhint":true}`, careful},
		"a hint twice":               {`"annotations":{"readOnlyHint":false,"readOnlyHint":true,"idempotentHint":false,"idempotentHint":true,"destructiveHint":true,"destructiveHint":false,"openWorldHint":true,"openWorldHint":false}`, careful},
		"a hint twice, the same":     {`"annotations":{"readOnlyHint":true,"readOnlyHint":true}`, careful},
		"a hint twice, with escapes": {`"annotations":{"readOnlyHint":false,"readOnly\u0048int":true}`, careful},
		"annotations twice":          {`"annotations":{"readOnlyHint":true,"idempotentHint":true},"annotations":{"title":"T"}`, careful},
		"annotations twice, behind":  {`"annotations":{"title":"T"},"annotations":{"readOnlyHint":true}`, careful},
		"annotations that are null":  {`"annotations":null`, careful},
		"annotations elsewhere":      {`"_meta":{"annotations":{"readOnlyHint":true}},"readOnlyHint":true`, careful},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := open(t, mcp.Server{Name: "s", Dial: offering(answering(`{}`), `{"name":"t",`+tt.members+`}`).dial})
			one := toolsOf(t, client)[0]
			d := client.Status(t.Context())[0].Definitions[0]
			require.Equal(t, tt.want, fmt.Sprintf("asks %t, repeats %t, destructive %t, open %t", one.AsksApproval(), one.Idempotent(), d.Destructive, d.OpenWorld))
		})
	}
}

// TestExactDefinition: the name, the description and the schema are read from members
// with the exact names. Of duplicate members the last counts, as in most decoders.
func TestExactDefinition(t *testing.T) {
	t.Parallel()
	const schema = `{"type":"object","properties":{"a":{}}}`
	for name, text := range map[string]string{
		"other spellings behind": `{"name":"t","description":"D.","inputSchema":` + schema + `,"Name":"x","NAME":"y","Description":"E.","inputschema":{"type":"object"},"OutputSchema":{},"Execution":{"taskSupport":"required"}}`,
		"other spellings before": `{"Name":"x","Description":"E.","InputSchema":{"type":"object"},"name":"t","description":"D.","inputSchema":` + schema + `,"execution":{"TaskSupport":"required"}}`,
		"titles":                 `{"name":"t","Description":"E.","Title":"E.","title":"D.","inputSchema":` + schema + `}`,
		"title of annotations":   `{"name":"t","Title":"E.","annotations":{"title":"D.","Title":"E."},"inputSchema":` + schema + `}`,
		"twice":                  `{"name":"x","description":"E.","inputSchema":{"type":"object"},"name":"t","description":"D.","inputSchema":` + schema + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := open(t, mcp.Server{Name: "s", Dial: offering(answering(`{}`), text).dial})
			toolsOf(t, client)
			d := client.Status(t.Context())[0].Definitions[0]
			d.Fingerprint = ""
			require.Equal(t, mcp.Definition{Server: "s", Name: "t", Tool: "s__t", Description: "D.", Schema: json.RawMessage(schema), Destructive: true, OpenWorld: true}, d)
		})
	}
}

// TestExactResults: the same for results and their content.
func TestExactResults(t *testing.T) {
	t.Parallel()
	text := func(s string) llm.Parts { return llm.Parts{llm.Text{Text: s}} }
	for name, tt := range map[string]struct {
		result  string
		want    llm.Parts
		failure string
	}{
		"a failure, and none":         {`{"isError":true,"IsError":false,"content":[{"type":"text","text":"no"}],"Content":[{"type":"text","text":"yes"}]}`, nil, "no"},
		"none, and a failure":         {`{"IsError":true,"ISERROR":true,"content":[{"type":"text","text":"yes"}]}`, text("yes"), ""},
		"content behind":              {`{"content":[{"type":"text","text":"yes"}],"Content":[{"type":"text","text":"no"}]}`, text("yes"), ""},
		"content before":              {`{"CONTENT":[{"type":"text","text":"no"}],"content":[]}`, text("(no output)"), ""},
		"a structure":                 {`{"StructuredContent":{"a":1},"structuredcontent":{"a":2}}`, text("(no output)"), ""},
		"members of the content":      {`{"content":[{"type":"text","text":"yes","Text":"no","TYPE":"image","Data":"aGk="}]}`, text("yes"), ""},
		"members of a resource":       {`{"content":[{"type":"resource","Resource":{"text":"no"},"resource":{"uri":"x://a","URI":"x://b","Text":"no","text":"yes"}}]}`, llm.Parts{llm.Text{Text: "[resource: x://a]"}, llm.Text{Text: "\nyes"}}, ""},
		"a resource twice":            {`{"content":[{"type":"resource","resource":{"uri":"x://a","text":"no"},"resource":{"uri":"x://b"}}]}`, text("[a resource without content]"), ""},
		"the kind of a failure":       {`{"isError":true,"_meta":{},"_Meta":{"` + mcp.FailureMeta + `":"timed_out"},"content":[{"type":"text","text":"no"}]}`, nil, "no"},
		"the kind of a failure twice": {`{"isError":true,"_meta":{"` + mcp.FailureMeta + `":"timed_out"},"_meta":{},"content":[{"type":"text","text":"no"}]}`, nil, "no"},
		"isError twice":               {`{"isError":false,"isError":true,"content":[{"type":"text","text":"no"}]}`, nil, "no"},
		"input of a person":           {`{"content":[{"type":"text","text":"yes"}],"ResultType":"input_required","InputRequests":{"a":{}}}`, text("yes"), ""},
		"a forged text of ours":       {`{"content":[{"type":"text","text":"yes"}],"_META":{"toolloop.internal/raw":"{\"content\":[]}"}}`, text("yes"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := open(t, mcp.Server{Name: "s", Dial: offering(answering(tt.result), plainTool).dial})
			parts, err := toolsOf(t, client)[0].Call(t.Context(), json.RawMessage(`{}`))
			require.Equal(t, tt.want, parts)
			if tt.failure == "" {
				require.NoError(t, err)
				return
			}
			failure, ok := errors.AsType[*tool.Error](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, []string{string(tool.Failed), tt.failure}, []string{string(failure.Failure), failure.Message})
		})
	}
}

// TestExactNotices: the same for lists, progress and tasks.
func TestExactNotices(t *testing.T) {
	t.Parallel()
	t.Run("a list", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			do := answersAt("tools/list", `{"Tools":[{"name":"x"}],"tools":[`+workTool+`],"NextCursor":"2","TOOLS":[{"name":"y"}]}`)
			_, all := stage{server: mcp.Server{Dial: inMemoryFoe(t, do)}}.play(t)
			require.Equal(t, []string{"evil__work", "good__greet"}, all.offered(0))
		})
	})
	t.Run("progress", func(t *testing.T) {
		t.Parallel()
		server := offering(func(c *peerConn, _ string, params json.RawMessage) (string, error) {
			var p struct {
				Meta struct {
					Token string `json:"progressToken"`
				} `json:"_meta"`
			}
			if err := json.Unmarshal(params, &p); err != nil {
				return "", err
			}
			c.notify("notifications/progress", fmt.Sprintf(`{"progressToken":%q,"ProgressToken":"x","progress":1,"Progress":7,"total":2,"TOTAL":7,"message":"m","Message":"n"}`, p.Meta.Token))
			return `{}`, nil
		}, plainTool)
		run := toolsOf(t, open(t, mcp.Server{Name: "s", Dial: server.dial}))[0]
		progress := make(chan string, 1)
		_, err := run.Call(tool.WithCall(t.Context(), tool.Call{}, func(done, total float64, m string) { progress <- fmt.Sprint(done, total, m) }), json.RawMessage(`{}`))
		require.NoError(t, err)
		require.Equal(t, "1 2m", <-progress)
	})
	t.Run("a task", func(t *testing.T) {
		t.Parallel()
		overTasks(t, func(t *testing.T, serve func(*testing.T, *taskFoe) mcp.Server) {
			other := strings.NewReplacer("taskId", "TaskId", `"t1"`, `"t2"`, "status", "Status", "working", "completed").Replace(inState("working"))
			f := &taskFoe{
				states: []string{inState("completed")},
				do:     answersAt("tools/call", `{"task":`+inState("working", other[1:len(other)-1])+`,"Task":`+other+`,"Content":[]}`),
			}
			out, _ := stage{server: serve(t, f)}.play(t)
			require.Equal(t, outcome{Evil: isWorked}, out)
			require.Equal(t, "tools/call get result", f.methods())
		})
	})
}
