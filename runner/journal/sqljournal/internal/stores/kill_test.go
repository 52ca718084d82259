package stores_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/pgtest"
)

// seed is where the moments of the kills come from, as far as a machine that does
// several things at once repeats itself.
const seed = 6

// killVariable asks for more kills in each store.
const killVariable = "TOOLLOOP_KILLS"

func TestKillFiles(t *testing.T) {
	t.Parallel()
	killable(t)
	c := newCampaign(t, "files", filepath.Join(t.TempDir(), "sessions"))
	c.run(t)
	c.check(t)
}

func TestKillSQLite(t *testing.T) {
	t.Parallel()
	killable(t)
	c := newCampaign(t, "sqlite", filepath.Join(t.TempDir(), "sessions.db"))
	c.run(t)
	c.check(t)
}

func TestKillPostgres(t *testing.T) {
	t.Parallel()
	killable(t)
	c := newCampaign(t, "postgres", pgtest.Database(t))
	c.run(t)
	c.check(t)
}

// TestKillHelpers: the work is done by two helpers at the same time, whose runs are nested.
// There are twice as many points as in a session without helpers, so each of them is hit
// only with TOOLLOOP_KILLS.
func TestKillHelpers(t *testing.T) {
	t.Parallel()
	killable(t)
	onEachStore(t, func(c *campaign) { c.order.Helpers = true })
}

// TestKillTeam: checks look at all that two agents say and do, and the conversation goes from the
// first agent to the other and back. Each point is hit only with TOOLLOOP_KILLS.
func TestKillTeam(t *testing.T) {
	t.Parallel()
	killable(t)
	onEachStore(t, func(c *campaign) { c.order.Team = true })
}

// onEachStore runs a campaign in each store, with some of the points unless somebody wants more.
func onEachStore(t *testing.T, change func(*campaign)) {
	t.Helper()
	for _, store := range []string{"files", "sqlite", "postgres"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			place := filepath.Join(t.TempDir(), "sessions")
			if store == "postgres" {
				place = pgtest.Database(t)
			}
			c := newCampaign(t, store, place)
			change(c)
			if os.Getenv(killVariable) == "" {
				c.want, c.some = 40, true
			}
			c.run(t)
			c.check(t)
		})
	}
}

// TestKillBites: with a journal that acknowledges what it has not written, and
// with a tool that says of itself what is not true, the same test finds the harm.
func TestKillBites(t *testing.T) {
	t.Parallel()
	killable(t)
	for _, fault := range []string{forgets, repeats} {
		c := newCampaign(t, "files", filepath.Join(t.TempDir(), "sessions"))
		c.order.Fault, c.want = fault, 50
		c.run(t)
		require.NotEmpty(t, c.doubled, fault)
		require.Equal(t, fault == forgets, len(c.lost) > 0, "%s: %v", fault, c.lost)
		require.Empty(t, c.stuck, fault)
	}
}

// killable skips the test where processes cannot be killed, or not in time.
func killable(t *testing.T) {
	t.Helper()
	switch {
	case raceEnabled:
		t.Skip("what races here are processes: the detector sees none of it, and makes them slow")
	case runtime.GOOS == "windows" || runtime.GOOS == "plan9":
		t.Skip("there is no SIGKILL on " + runtime.GOOS)
	}
}

func newCampaign(t *testing.T, store, place string) *campaign {
	t.Helper()
	want := 250
	if text := os.Getenv(killVariable); text != "" {
		var err error
		want, err = strconv.Atoi(text)
		require.NoError(t, err, killVariable)
	}
	return &campaign{want: want, order: order{Store: store, Place: place, BaseURL: serveModel(t)}}
}

// serveModel serves a model that answers from the history that it is sent: four
// turns of three calls, an answer in a wrong form, and the right one.
func serveModel(t *testing.T) string {
	t.Helper()
	s := &llmtest.Server{Model: llmtest.NewScript(llmtest.Reply(work).Forever())}
	require.NoError(t, s.Start())
	t.Cleanup(s.Close)
	return s.BaseURL
}

func work(_ context.Context, req *llm.Request) (*llm.Response, error) {
	turn := answersIn(req)
	who := req.Instructions
	if m := req.Messages[0]; m.Role == llm.RoleSystem { // as they come over HTTP
		who = m.Text()
	}
	switch {
	case who == deskName && turn == 0:
		return llmtest.Parts(llm.ToolCall{ID: "call_left", Name: "left", Arguments: `{"task":"Do it."}`},
			llm.ToolCall{ID: "call_right", Name: "right", Arguments: `{"task":"Do it."}`}).Response()
	case who == deskName, (who == "left" || who == "right") && turn == helperTurns:
		return llmtest.Text("All is done.").Response()
	}
	if who == triageName || who == workerName {
		return teamwork(who, turn)
	}
	switch turn {
	case turns: // the last turn at the limit, and no JSON
		return llmtest.Text("All is done.").Response()
	case turns + 1:
		return llmtest.Text(`{"done":"All is done."}`).Response()
	}
	second := []string{"once", "bank"}[turn%2]
	var parts []llm.Part
	third := "gated"
	if turn == lateTurn {
		third = "sent"
	}
	for i, name := range []string{"repeat", second, third} {
		parts = append(parts, llm.ToolCall{ID: fmt.Sprintf("call_%d_%d", turn, i), Name: name, Arguments: fmt.Sprintf(`{"n":%d}`, turn)})
	}
	return llmtest.Parts(parts...).Response()
}

// answersIn counts the answers in a history.
func answersIn(req *llm.Request) int {
	n := 0
	for _, m := range req.Messages {
		if m.Role == llm.RoleAssistant {
			n++
		}
	}
	return n
}
