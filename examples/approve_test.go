package examples_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	runevent "github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

const (
	bothAsked = `> Refund 30.00 for order W1001 and 250.00 for order W2002.
refund {"order":"W1001","amount":30} [r1.t1.c0]
refund needs approval: {"order":"W2002","amount":250} [r1.t1.c1]
refund = 30.00 euros were paid back for order W1001. [r1.t1.c0]
`
	oneWaits = `
refund {"order":"W2002","amount":250}
  waits for your approval.

Decide with one of these commands:
  approve -dir=DIR approve
  approve -dir=DIR deny "the order is too old"
  approve -dir=DIR edit '{"order":"W2002","amount":100}'
  approve -dir=DIR show

Nothing is running. The session is in DIR
`
	bothPaid = `refund {"order":"W2002","amount":250} [r1.t1.c1]
refund = 250.00 euros were paid back for order W2002. [r1.t1.c1]
This is what the tools say:
- refund(W1001, 30.00): 30.00 euros were paid back for order W1001.
- refund(W2002, 250.00): 250.00 euros were paid back for order W2002.
turns: 2, tokens: N in, N out
`
)

// approve starts the program in a directory. In the output, DIR replaces the name of
// the directory.
func approve(t *testing.T, dir string, args ...string) outcome {
	t.Helper()
	o := start(t, nil, "", "approve", append([]string{"-dir", dir}, args...)...)
	o.stdout = strings.ReplaceAll(strings.ReplaceAll(o.stdout, filepath.Join(bin, "approve"+exe), "approve"), dir, "DIR")
	return o
}

// TestApprove: each start is a new process and continues the session.
func TestApprove(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"approved", []string{"approve"}, "approved [r1.t1.c1]\n" + bothPaid},
		{"denied", []string{"deny", "the order", "is too old"}, `denied [r1.t1.c1]
refund denied: The call was denied: the order is too old. It did not run. Do not repeat it: go on without it, or ask the user. [r1.t1.c1]
This is what the tools say:
- refund(W1001, 30.00): 30.00 euros were paid back for order W1001.
- refund(W2002, 250.00): The call was denied: the order is too old. It did not run. Do not repeat it: go on without it, or ask the user.
turns: 2, tokens: N in, N out
`},
		{"edited", []string{"edit", `{"order":"W2002","amount":90}`}, `approved with other arguments [r1.t1.c1]
refund {"order":"W2002","amount":90} [r1.t1.c1]
refund = [A person changed the arguments before the call ran: {"order":"W2002","amount":90}] 90.00 euros were paid back for order W2002. [r1.t1.c1]
This is what the tools say:
- refund(W1001, 30.00): 30.00 euros were paid back for order W1001.
- refund(W2002, 250.00): [A person changed the arguments before the call ran: {"order":"W2002","amount":90}]
90.00 euros were paid back for order W2002.
turns: 2, tokens: N in, N out
`},
		{"overtaken", []string{"Leave", "it."}, `refund not_run: The call did not run: nobody approved it before the conversation went on. It had no effect: call again if it is still needed. [r1.t1.c1]
> Leave it.
I understand nothing. I call a tool if your question has a word of its name or description. My tools: refund. (I count 2 of your messages.)
turns: 1, tokens: N in, N out
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.Equal(t, outcome{bothAsked + oneWaits, notice, 0}, approve(t, dir))
			require.Equal(t, outcome{oneWaits, notice, 0}, approve(t, dir), "no answer, no change")
			require.Equal(t, outcome{bothAsked + oneWaits, notice, 0}, approve(t, dir, "show"))
			require.Equal(t, outcome{tt.want, notice, 0}, approve(t, dir, tt.args...))
			require.Equal(t, outcome{bothAsked + tt.want, notice, 0}, approve(t, dir, "show"))
		})
	}
}

// TestApproveAlways: an answer stands for the refunds of later messages, with the name of the
// person, until somebody revokes it.
func TestApproveAlways(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	approve(t, dir)
	require.Equal(t, outcome{"approved always by ada [r1.t1.c1]\n" + bothPaid, notice, 0}, approve(t, dir, "-by", "ada", "always"))
	o := approve(t, dir)
	require.Equal(t, 0, o.status)
	require.Contains(t, o.stdout, "approved by a standing answer of ada [r2.t1.c1]\n")
	require.NotContains(t, o.stdout, "waits for your approval")
	o = approve(t, dir, "-by", "bob", "revoke")
	require.Equal(t, 0, o.status, o.stderr)
	require.Contains(t, o.stdout, "revoked by bob")
	require.Contains(t, approve(t, dir).stdout, "waits for your approval")
	o = approve(t, dir, "revoke")
	require.Equal(t, outcome{"", notice + "approve: no answer of session \"desk\" stands\n", 1}, o)
}

// TestApproveWrong: invalid decisions change nothing.
func TestApproveWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	nothing := "approve: no call of session \"desk\" waits for a decision\n"
	require.Equal(t, outcome{"", notice + nothing, 1}, approve(t, dir, "approve"))
	approve(t, dir)
	o := approve(t, dir, "edit", `{"order":"W2002"}`)
	require.Equal(t, 1, o.status)
	require.Contains(t, o.stderr, `approve: runner: decision about call r1.t1.c1: the arguments do not fit: `)
	require.Contains(t, o.stderr, `required property "amount" is missing`)
	require.Equal(t, outcome{oneWaits, notice, 0}, approve(t, dir))
	require.Equal(t, 1, approve(t, dir, "-session", "other", "approve").status, "another conversation")
}

// TestApproveJSON: the output has only events.
func TestApproveJSON(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := approve(t, dir, "-json", "-stream=false")
	require.Equal(t, outcome{o.stdout, notice, 0}, o)
	_, types := events(t, o.stdout)
	require.Equal(t, []string{
		"run_started", "user_messaged", "turn_prepared", "model_answered",
		"tool_call_started", "approval_asked", "tool_call_finished", "run_paused",
	}, types)
	require.Equal(t, outcome{"", notice, 0}, approve(t, dir, "-json"))
	o = approve(t, dir, "-json", "-stream=false", "approve")
	_, types = events(t, o.stdout)
	require.Equal(t, []string{
		"approval_decided", "tool_call_started", "tool_call_finished", "turn_prepared", "model_answered", "run_finished",
	}, types)
}

// TestApproveCrashed: the process died after a payment, before its record. A start
// without arguments continues and pays nothing twice.
func TestApproveCrashed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	approve(t, dir)
	approve(t, dir, "approve")
	paid, err := filepath.Glob(filepath.Join(dir, "receipts", "*"))
	require.NoError(t, err)
	require.Len(t, paid, 2)
	cutBehindStart(t, filepath.Join(dir, "sessions"), "r1.t1.c1")
	require.Equal(t, outcome{`was interrupted; decided by tool: happened [r1.t1.c1]
` + strings.Join(strings.SplitAfter(bothPaid, "\n")[1:], ""), notice, 0}, approve(t, dir))
	again, err := filepath.Glob(filepath.Join(dir, "receipts", "*"))
	require.NoError(t, err)
	require.Equal(t, paid, again)
}

// cutBehindStart removes all events after the start of a call from the session, as
// if the process had died then.
func cutBehindStart(t *testing.T, path, call string) {
	t.Helper()
	sessions := journal.Dir{Path: path}
	log, err := sessions.Open(t.Context(), "desk")
	require.NoError(t, err)
	var kept []runevent.Event
	for e, err := range log.Events(t.Context()) {
		require.NoError(t, err)
		kept = append(kept, e)
		if b, ok := e.Body.(runevent.ToolCallStarted); ok && string(b.Call) == call {
			break
		}
	}
	require.NoError(t, log.Close())
	require.NoError(t, os.RemoveAll(path))
	log, err = sessions.Open(t.Context(), "desk")
	require.NoError(t, err)
	require.NoError(t, log.Append(t.Context(), true, kept...))
	require.NoError(t, log.Close())
}
