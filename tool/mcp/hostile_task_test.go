package mcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// TestHostileTasks: whatever a server does with a task, the model reads what is known
// about the call, and the call is made once.
func TestHostileTasks(t *testing.T) {
	t.Parallel()
	const check = ". It is not known whether the call took effect: check before you call it again.|outcome_unknown"
	const nobody = "The server of the tool began the call as a task without a usable id" + check
	unsaid := func(*foe, heard) {} // no answer comes
	refuses := func(method string) misdeed {
		return at(method, func(f *foe, h heard) { f.refuse(h, -32602, "Task \x1b[2Jnot found\u202e") })
	}
	crash := func(f *foe, _ heard) { f.end() }
	endless := "tools/call" + strings.Repeat(" get", 17) + " cancel" // every 7 seconds, for 2 minutes
	created := func(result string) misdeed { return answersAt("tools/call", result) }
	working, failing, completed := inState("working", `"pollInterval":7000`), inState("failed", `"statusMessage":"No\u001b tea."`), inState("completed")
	for name, tt := range map[string]struct {
		states string
		do     misdeed
		evil   string // what the model reads, and behind | the kind of the failure
		heard  string
	}{
		"polite":                       {working, nil, timedOut + "|timed_out", endless},
		"answers at once":              {working, created(worked), isWorked, "tools/call"},
		"no task":                      {working, created(`{"task":null,"content":[{"type":"text","text":"Worked."}]}`), isWorked, "tools/call"},
		"a failure at once":            {working, created(`{"isError":true,"content":[{"type":"text","text":"x"}]}`), "x|failed", "tools/call"},
		"an error at once":             {working, at("tools/call", func(f *foe, h heard) { f.refuse(h, -32601, "no tasks here") }), "no tasks here|failed", "tools/call"},
		"nothing":                      {working, created(`{}`), "(no output)", "tools/call"},
		"a task of our own making":     {working, created(`{"_meta":{"toolloop.internal/raw":"{\"task\":{\"taskId\":\"t1\"}}"}}`), "(no output)", "tools/call"},
		"a task without its wrapping":  {working, created(completed), isWorked, "tools/call result"},
		"a result with the id of one":  {working, created(`{"taskId":"t1","content":[{"type":"text","text":"Worked."}]}`), isWorked, "tools/call"},
		"a task that is none":          {working, created(`{"task":7}`), nobody, "tools/call"},
		"no id":                        {working, created(`{"task":{"status":"working"}}`), nobody, "tools/call"},
		"an empty id":                  {working, created(`{"task":{"taskId":"","status":"working"}}`), nobody, "tools/call"},
		"an id that is no text":        {working, created(`{"task":{"taskId":{},"status":"working"}}`), nobody, "tools/call"},
		"an id of a megabyte":          {working, created(`{"task":{"taskId":"` + strings.Repeat("x", 1<<20) + `","status":"working"}}`), nobody, "tools/call"},
		"an unknown state":             {inState(`\u001b[2Jdone\u202e`), nil, `The server of the tool reported an unknown state of the call ("[2Jdone")` + check, "tools/call cancel"},
		"no state":                     {working, answersAt("tasks/get", `{"taskId":"t1"}`), `The server of the tool reported an unknown state of the call ("")` + check, "tools/call get cancel"},
		"a state of a megabyte":        {inState(strings.Repeat("x", 1<<20)), nil, `The server of the tool reported an unknown state of the call ("` + strings.Repeat("x", 64) + `…")` + check, "tools/call cancel"},
		"a state that is no object":    {working, answersAt("tasks/get", `[7]`), inDoubt + "|outcome_unknown", "tools/call get get get get cancel"},
		"the state of another task":    {working, answersAt("tasks/get", `{"taskId":"t2","status":"completed"}`), isWorked, "tools/call get result"},
		"many states at once":          {working, answersAt("tasks/get", `{"taskId":"t1","status":"working","status":"completed"}`), isWorked, "tools/call get result"},
		"it failed":                    {failing, answersAt("tasks/result", `{"isError":true,"content":[{"type":"text","text":"x"}]}`), "x|failed", "tools/call result"},
		"it failed without a result":   {failing, refuses("tasks/result"), "No tea. (Task [2Jnot found)|failed", "tools/call result"},
		"it failed and says it twice":  {inState("failed", `"statusMessage":"Not found: tea."`), at("tasks/result", func(f *foe, h heard) { f.refuse(h, -32603, "Not found") }), "Not found: tea.|failed", "tools/call result"},
		"it failed and says no more":   {inState("failed"), at("tasks/result", func(f *foe, h heard) { f.refuse(h, -32603, "") }), "The tool failed and gave no reason.|failed", "tools/call result"},
		"it failed at length":          {inState("failed", `"statusMessage":"`+strings.Repeat("x", 1<<20)+`"`), refuses("tasks/result"), strings.Repeat("x", 256) + "… (Task [2Jnot found)|failed", "tools/call result"},
		"its result is gone":           {completed, refuses("tasks/result"), "The tool ran, but the server does not give its result: (Task [2Jnot found)|failed", "tools/call result"},
		"its result is a task":         {completed, answersAt("tasks/result", `{"task":{"taskId":"t2","status":"working"}}`), "(no output)", "tools/call result"},
		"its result is no object":      {completed, answersAt("tasks/result", `"x"`), "The tool ran, but the server's answer cannot be read: \"x\"|failed", "tools/call result"},
		"it was cancelled":             {inState("cancelled", `"statusMessage":"Not now."`), refuses("tasks/result"), "The server of the tool cancelled the call (Not now. (Task [2Jnot found))" + check, "tools/call result"},
		"it vanishes":                  {working, refuses("tasks/get"), "The server of the tool did not report the outcome of the call (Task [2Jnot found)" + check, "tools/call get cancel"},
		"it asks, and is gone":         {inState("input_required") + "|" + failing, refuses("tasks/result"), "No tea. (Task [2Jnot found)|failed", "tools/call result get result"},
		"it asks, and is not waiting":  {inState("input_required", `"pollInterval":7000`), refuses("tasks/result"), timedOut + "|timed_out", "tools/call result" + strings.Repeat(" get result", 17) + " cancel"},
		"hangs at its creation":        {working, at("tools/call", unsaid), timedOut + "|timed_out", "tools/call"},
		"hangs at its state":           {working, at("tasks/get", unsaid), timedOut + "|timed_out", "tools/call get cancel"},
		"hangs at its result":          {completed, at("tasks/result", unsaid), timedOut + "|timed_out", "tools/call result"},
		"hangs at what it asks":        {inState("input_required"), at("tasks/result", unsaid), timedOut + "|timed_out", "tools/call result cancel"},
		"hangs at its end":             {working, at("tasks/cancel", unsaid), timedOut + "|timed_out", endless},
		"refuses its end":              {working, refuses("tasks/cancel"), timedOut + "|timed_out", endless},
		"crashes at its creation":      {working, at("tools/call", crash), inDoubt + "|outcome_unknown", "tools/call"},
		"crashes at its end":           {working, at("tasks/cancel", crash), timedOut + "|timed_out", endless},
		"what cannot be taken for one": {working, created(`{"task":{"taskId":"t1","status":"completed","ttl":1e999,"pollInterval":[],"createdAt":{}},"content":7,"isError":"x","structuredContent":1e999}`), isWorked, "tools/call result"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overTasks(t, func(t *testing.T, serve func(*testing.T, *taskFoe) mcp.Server) {
				f := &taskFoe{do: tt.do, states: strings.Split(tt.states, "|")}
				out, all := stage{server: serve(t, f)}.play(t)
				want := outcome{}
				want.Evil, want.Failure, _ = strings.Cut(tt.evil, "|")
				require.Equal(t, want, out)
				require.Equal(t, tt.heard, f.methods())
				for _, h := range f.heard[1:] {
					require.Equal(t, `{"taskId":"t1"}`, string(h.Params))
				}
				require.LessOrEqual(t, all.took, 2*time.Minute+time.Second)
				requireClean(t, all.log+all.events)
			})
		})
	}
}

// TestTaskRounds: the protocol with tasks has no results that ask for input and a
// repeated request. Such a result causes no second call, and no person is asked.
func TestTaskRounds(t *testing.T) {
	t.Parallel()
	const asks = `"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"message":"Who?","requestedSchema":{"type":"object","properties":{}}}}}`
	for name, tt := range map[string]struct {
		do          misdeed
		want, heard string
	}{
		"with a task":                    {answersAt("tools/call", `{"task":`+inState("completed")+`,`+asks+`}`), "", "tools/call result"},
		"with a task, for nothing":       {answersAt("tools/call", `{"task":`+inState("completed")+`,"inputRequests":{}}`), "", "tools/call result"},
		"with a task that is not inside": {answersAt("tools/call", inState("completed", asks)), "", "tools/call result"},
		"in the place of a task":         {answersAt("tools/call", `{`+asks+`}`), "The tool asks for a person's input, and no person is there to give it.", "tools/call"},
		"with a state":                   {answersAt("tasks/get", inState("completed", asks)), "", "tools/call get result"},
		"with a result":                  {answersAt("tasks/result", worked[:len(worked)-1]+`,`+asks+`}`), "The tool asks for a person's input, and no person is there to give it.", "tools/call get result"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overTasks(t, func(t *testing.T, serve func(*testing.T, *taskFoe) mcp.Server) {
				f := &taskFoe{do: tt.do, states: []string{inState("working"), inState("completed")}}
				s := serve(t, f)
				s.Elicit = func(context.Context, *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
					return nil, errors.New("nobody is to be asked")
				}
				parts, err := toolsOf(t, open(t, s))[0].Call(t.Context(), json.RawMessage(`{}`))
				if tt.want == "" {
					require.NoError(t, err)
					require.Equal(t, "Worked.", textOf(parts))
				} else {
					requireFailure(t, &tool.Error{Failure: tool.Failed, Message: tt.want}, err)
				}
				require.Equal(t, tt.heard, f.methods())
			})
		})
	}
}

// TestTaskNoMore: a server that has no tasks when it is started again is not asked for
// one, also if a turn still has the tool of before.
func TestTaskNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var end func()
		f := &taskFoe{states: []string{inState("completed")}}
		f.do = func(f *foe, h heard) bool {
			switch end = f.end; {
			case f.start == 1:
				return false
			case h.Method == "initialize":
				f.answer(h, hello)
			case h.Method == "tools/list":
				f.answer(h, `{"tools":[{"name":"work","inputSchema":{"type":"object"}}]}`)
			case h.Method == "tools/call":
				f.answer(h, worked)
			default:
				return false
			}
			return true
		}
		one := toolsOf(t, open(t, taskTransports["lines"](t, f)))[0]
		end()
		synctest.Wait()
		parts, err := one.Call(t.Context(), json.RawMessage(`{}`))
		require.NoError(t, err)
		require.Equal(t, "Worked.", textOf(parts))
		require.NotContains(t, f.params("tools/call"), `"task"`)
	})
}

// TestTaskDoubt: what breaks once there may be a task leaves the call in doubt, or may
// be repeated if the tool may. What may still be there is asked for again.
func TestTaskDoubt(t *testing.T) {
	t.Parallel()
	const repeatable = `"annotations":{"readOnlyHint":true},`
	for name, tt := range map[string]struct {
		hints, method string
		want          string
		heard         string // over lines, and behind | over HTTP
	}{
		"a crash at the state":                     {"", "tasks/get", inDoubt, "tools/call get|tools/call get get get get cancel"},
		"a crash at the result":                    {"", "tasks/result", inDoubt, "tools/call get result|tools/call get result result result result"},
		"a crash of what may be repeated":          {repeatable, "tasks/get", "The server of the tool disconnected before it answered. The same call may be made again.", "tools/call get|tools/call get get get get cancel"},
		"a task that is gone":                      {"", "gone", "The server of the tool did not report the outcome of the call (gone). It is not known whether the call took effect: check before you call it again.", "tools/call get cancel|tools/call get cancel"},
		"a task that is gone, of what may be made": {repeatable, "gone", "The server of the tool did not report the outcome of the call (gone). The same call may be made again.", "tools/call get cancel|tools/call get cancel"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overTasks(t, func(t *testing.T, serve func(*testing.T, *taskFoe) mcp.Server) {
				f := &taskFoe{
					do: func(f *foe, h heard) bool {
						switch {
						case h.Method == tt.method:
							f.end()
						case h.Method == "tools/list":
							f.answer(h, strings.Replace(taskTools, `"execution"`, tt.hints+`"execution"`, 1))
						case h.Method == "tasks/get" && tt.method == "gone":
							f.refuse(h, -32602, "gone")
						default:
							return false
						}
						return true
					},
					states: []string{inState("working"), inState("completed")},
				}
				s := serve(t, f)
				_, err := toolsOf(t, open(t, s))[0].Call(t.Context(), json.RawMessage(`{}`))
				want := &tool.Error{Failure: tool.OutcomeUnknown, Message: tt.want}
				if tt.hints != "" {
					want.Failure = tool.Failed
				}
				requireFailure(t, want, err)
				lines, web, _ := strings.Cut(tt.heard, "|")
				require.Equal(t, map[bool]string{true: web, false: lines}[s.URL != ""], f.methods())
			})
		})
	}
}

// requireFailure compares what the model and the program read.
func requireFailure(t *testing.T, want *tool.Error, err error) {
	t.Helper()
	got, ok := errors.AsType[*tool.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, want, &tool.Error{Failure: got.Failure, Message: got.Message})
}
