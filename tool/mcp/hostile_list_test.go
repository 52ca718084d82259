package mcp_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

const (
	isWorked    = "Worked."
	unreachable = "The call was not made, so it had no effect: the server of the tool cannot be reached now."
	isChanged   = "The call was not made, so it had no effect: the server has changed what this tool is."
)

// TestHostileLists: whatever a server lists, the run goes on with what is fit.
func TestHostileLists(t *testing.T) {
	t.Parallel()
	tool := func(name, members string) string {
		if members != "" {
			members = "," + members
		}
		text, _ := json.Marshal(name) // a string always has a JSON form
		return fmt.Sprintf(`{"name":%s%s}`, text, members)
	}
	enum := `"inputSchema":{"type":"object","properties":{"a":{"enum":["` + strings.Repeat(`x","`, 99_999) + `x"]}}}`
	for name, tt := range map[string]struct {
		do      misdeed
		offered []string // beside good__greet
		left    []string // reasons, with the tool's name
		evil    string   // "" is that it worked
		notices string
	}{
		"recursive schema": {
			do:      lists(tool("work", `"inputSchema":{"type":"object","properties":{"a":{"$ref":"#"}}}`)),
			offered: []string{"evil__work"},
		},
		"schema that refers to itself alone": {
			do:      lists(tool("work", `"inputSchema":{"type":"object","$ref":"#"}`)),
			offered: []string{"evil__work"},
		},
		"schema in a circle": {
			do:      lists(tool("work", `"inputSchema":{"type":"object","allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}`)),
			offered: []string{"evil__work"},
		},
		"reference to a file": {
			do:      lists(tool("work", `"inputSchema":{"type":"object","properties":{"a":{"$ref":"file:///etc/passwd"}}}`)),
			offered: []string{"evil__work"},
		},
		"reference to the network": {
			do:      lists(tool("work", `"inputSchema":{"type":"object","properties":{"a":{"$ref":"http://169.254.169.254/latest/meta-data"}}}`)),
			offered: []string{"evil__work"},
		},
		"a hundred thousand values": {do: lists(tool("work", ""), tool("many", enum)), offered: []string{"evil__work"}},
		"no schema":                 {do: lists(tool("work", "")), offered: []string{"evil__work"}},
		"schema that is no schema": {
			do:      lists(tool("work", ""), tool("a", `"inputSchema":7`), tool("b", `"inputSchema":"x"`), tool("c", `"inputSchema":[]`), tool("d", `"inputSchema":{"type":"string"}`)),
			offered: []string{"evil__work"},
		},
		"schema that nothing passes": {
			do: lists(tool("work", `"inputSchema":false`)), evil: noTool,
		},
		"deep schema": {
			do:      lists(tool("work", ""), tool("deep", `"inputSchema":{"a":`+strings.Repeat(`[`, 900)+strings.Repeat(`]`, 900)+`}`)),
			offered: []string{"evil__work"},
		},
		"two schemas, the last counts": {
			do:      lists(tool("work", `"inputSchema":{"type":"object","required":["a"]},"inputSchema":{"type":"object"}`)),
			offered: []string{"evil__work"},
		},
		"two names, the last counts": {
			do:      lists(tool("safe", `"name":"work"`)),
			offered: []string{"evil__work"},
		},
		"properties twice": {
			do:      lists(tool("work", ""), tool("twice", `"inputSchema":{"type":"object","properties":{"a":{}},"properties":{"b":{}}}`)),
			offered: []string{"evil__work"},
		},
		"one tool twice": {
			do:      lists(workTool, tool("work", `"description":"Another."`)),
			offered: []string{"evil__work"},
		},
		"names of another server": {
			do:      lists(tool("good__greet", ""), tool("../good__greet", ""), tool("work", "")),
			offered: []string{"evil__good__greet", "evil____good__greet_e0b1e3ae", "evil__work"},
		},
		"names that nobody can read": {
			do:      lists(tool("w\u202eork", ""), tool("w\u200bork", ""), tool("w\U000E0061ork", ""), tool("\x1b[2Jwork", ""), tool("work\x00", ""), tool("wоrk", ""), tool(" work", ""), tool("work", "")),
			offered: []string{"evil__work"},
		},
		"long name": {do: lists(tool(strings.Repeat("n", 1<<20), ""), tool("work", "")), offered: []string{"evil__work"}},
		"no name":   {do: lists(`{"description":"x"}`, tool("", ""), `7`, `null`, `{"name":7}`, tool("work", "")), offered: []string{"evil__work"}},
		"members of the wrong type": {
			do:      lists(tool("a", `"description":7`), tool("b", `"annotations":7`), tool("c", `"annotations":{"readOnlyHint":"yes"}`), tool("d", `"title":[]`), tool("work", "")),
			offered: []string{"evil__work"},
		},
		"numbers that are none":    {do: lists(tool("work", `"inputSchema":{"type":"object","properties":{"a":{"maximum":1e999,"minimum":-1e999}}}`)), offered: []string{"evil__work"}},
		"tools that are no list":   {do: answersAt("tools/list", `{"tools":{"a":1}}`), evil: noTool},
		"no tools":                 {do: answersAt("tools/list", `{}`), evil: noTool},
		"null":                     {do: answersAt("tools/list", `null`), evil: noTool},
		"a list":                   {do: answersAt("tools/list", `[]`), evil: noTool},
		"text":                     {do: answersAt("tools/list", `"tools"`), evil: noTool},
		"a cursor of wrong type":   {do: answersAt("tools/list", `{"tools":[`+workTool+`],"nextCursor":7}`), evil: noTool},
		"the same cursor":          {do: answersAt("tools/list", `{"tools":[`+workTool+`],"nextCursor":"x"}`), offered: []string{"evil__work"}},
		"a cursor of one megabyte": {do: answersAt("tools/list", `{"tools":[`+workTool+`],"nextCursor":"`+strings.Repeat("x", 1<<20)+`"}`), offered: []string{"evil__work"}},
		"pages without end": {
			do:      at("tools/list", func(f *foe, h heard) { f.answer(h, `{"tools":[`+workTool+`],"nextCursor":"`+h.cursor()+`x"}`) }),
			offered: []string{"evil__work"},
		},
		"empty pages without end": {
			do:   at("tools/list", func(f *foe, h heard) { f.answer(h, `{"tools":[],"nextCursor":"`+h.cursor()+`x"}`) }),
			evil: noTool,
		},
		"pages that come slowly": {
			do: at("tools/list", func(f *foe, h heard) {
				time.Sleep(10 * time.Second)
				f.answer(h, `{"tools":[`+tool("t"+h.cursor(), "")+`,`+workTool+`],"nextCursor":"`+h.cursor()+`x"}`)
			}),
			offered: []string{"evil__t", "evil__work", "evil__tx", "evil__txx", "evil__txxx", "evil__txxxx"},
		},
		"a million tools on pages": {
			do: at("tools/list", func(f *foe, h heard) {
				all := make([]string, 1000)
				for i := range all {
					all[i] = tool(fmt.Sprintf("t%s%d", h.cursor(), i), "")
				}
				f.answer(h, `{"tools":[`+strings.Join(all, ",")+`],"nextCursor":"`+h.cursor()+`x"}`)
			}),
			evil: noTool,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				out, all := stage{server: mcp.Server{Dial: inMemoryFoe(t, tt.do)}}.play(t)
				left := []string{}
				for _, l := range all.status[0].LeftOut {
					left = append(left, l.Name[:min(20, len(l.Name))]+": "+l.Reason)
				}
				t.Logf("%q %q %+v %v", all.offered(0), left, out, all.took)
			})
		})
	}
	_ = llmtest.Text
	_ = require.Equal
}
