package runner_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// outage is an optional toolset whose i-th listing has these tools and this error;
// the last listing stays.
func outage(name string, listings ...listed) tool.Set {
	asked := 0
	return tool.Set{Name: name, Optional: true, List: func(context.Context) ([]tool.Tool, error) {
		l := listings[min(asked, len(listings)-1)]
		asked++
		return l.tools, l.err
	}}
}

type listed struct {
	tools []tool.Tool
	err   error
}

func some(tools ...tool.Tool) listed               { return listed{tools: tools} }
func amiss(text string, tools ...tool.Tool) listed { return listed{tools, errors.New(text)} }

// TestOptionalToolset: what a set cannot list is told, once while it stays so, and
// the run goes on with the rest.
func TestOptionalToolset(t *testing.T) {
	t.Parallel()
	a, b, other := plug("a", "one"), plug("b", "one"), plug("get_weather", "another")
	const isNew, isGone = "tool a is new", "tool a is gone"
	for _, tt := range []struct {
		name    string
		sets    []tool.Set
		offered [][]tool.Tool // beside the weather, in each of three turns
		notices []string
	}{
		{"an error", []tool.Set{outage("s", amiss("down"))}, [][]tool.Tool{{}, {}, {}}, []string{`toolset "s": down`}},
		{"tools beside it", []tool.Set{outage("s", amiss("stale", a))}, [][]tool.Tool{{a}, {a}, {a}}, []string{`toolset "s": stale`}},
		{
			"another error", []tool.Set{outage("s", amiss("down"), amiss("on fire"))}, [][]tool.Tool{{}, {}, {}},
			[]string{`toolset "s": down`, `toolset "s": on fire`},
		},
		{
			"down, up, down", []tool.Set{outage("s", amiss("down"), some(a), amiss("down"))}, [][]tool.Tool{{}, {a}, {}},
			[]string{`toolset "s": down`, isNew, `toolset "s": down`, isGone},
		},
		{
			"two of them", []tool.Set{outage("s", amiss("down")), outage("u", some(a), amiss("down", a))}, [][]tool.Tool{{a}, {a}, {a}},
			[]string{`toolset "s": down`, `toolset "u": down`},
		},
		{"a secret", []tool.Set{outage("s", amiss("dial https://ann:s3cret@example.com"))}, [][]tool.Tool{{}, {}, {}}, []string{`toolset "s": dial https://[redacted]@example.com`}},
		{"no List", []tool.Set{{Name: "s", Optional: true}}, [][]tool.Tool{{}, {}, {}}, []string{`toolset "s": has no List`}},
		{
			"a panic", []tool.Set{{Name: "s", Optional: true, List: func(context.Context) ([]tool.Tool, error) { panic("boom") }}}, [][]tool.Tool{{}, {}, {}},
			[]string{`toolset "s": panic: boom`},
		},
		{
			"the goroutine ends", []tool.Set{{Name: "s", Optional: true, List: func(context.Context) ([]tool.Tool, error) { runtime.Goexit(); return nil, nil }}},
			[][]tool.Tool{{}, {}, {}}, []string{`toolset "s": its List ended the goroutine`},
		},
		{"two of a name", []tool.Set{outage("s", some(a, plug("a", "two"), b))}, [][]tool.Tool{{a, b}, {a, b}, {a, b}}, []string{`toolset "s": two tools are named "a"`}},
		{
			"a name of Tools", []tool.Set{outage("s", some(a), some(other, a))}, [][]tool.Tool{{a}, {a}, {a}},
			[]string{`toolset "s": tool "get_weather" is left out, as another one has its name`},
		},
		{
			"a name of a later set that is not optional", []tool.Set{outage("s", some(plug("a", "two"), b)), {Name: "u", List: func(context.Context) ([]tool.Tool, error) { return []tool.Tool{a}, nil }}},
			[][]tool.Tool{{b, a}, {b, a}, {b, a}}, []string{`toolset "s": tool "a" is left out, as another one has its name`},
		},
		{
			"a name of an optional one", []tool.Set{outage("s", some(a)), outage("u", some(plug("a", "two"), b))},
			[][]tool.Tool{{a, b}, {a, b}, {a, b}}, []string{`toolset "u": tool "a" is left out, as another one has its name`},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			call := llmtest.Calls("get_weather", cityArgs{"Oslo"})
			script := llmtest.Script(t, call, call, llmtest.Text("Fine."))
			events, err := collect(with(script).Stream(t.Context(), agentWith(tt.sets...), llm.User("Hi.")))
			require.NoError(t, err)
			_, notices := offers(events)
			require.Equal(t, tt.notices, notices)
			for i, req := range script.Requests() {
				require.Equal(t, defs(append([]tool.Tool{weather()}, tt.offered[i]...)...), req.Tools)
			}
		})
	}
}

// TestOptionalToolsetInTheNextRun: a run tells what an earlier one told, since
// another consumer may read it.
func TestOptionalToolsetInTheNextRun(t *testing.T) {
	t.Parallel()
	session := with(llmtest.Script(t, llmtest.Text("Fine."), llmtest.Text("Fine."))).Session("s")
	for range 2 {
		events, err := collect(session.Stream(t.Context(), agentWith(outage("s", amiss("down"))), runner.Say(llm.User("Hi."))))
		require.NoError(t, err)
		_, notices := offers(events)
		require.Equal(t, []string{`toolset "s": down`}, notices)
	}
}

// slow is a set that takes its time, and heeds its context.
func slow(name string, d time.Duration, err error, tools ...tool.Tool) tool.Set {
	return tool.Set{Name: name, List: func(ctx context.Context) ([]tool.Tool, error) {
		select {
		case <-time.After(d):
			return tools, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
}

// TestToolsetsAreListedTogether: a turn waits for the slowest, and the order is
// that of the sets.
func TestToolsetsAreListedTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		script := llmtest.Script(t, llmtest.Text("Fine."))
		one, two, three := plug("one", ""), plug("two", ""), plug("three", "")
		a := agentWith(slow("a", 3*time.Second, nil, one), slow("b", 0, nil, two), slow("c", 2*time.Second, nil, three))
		_, err := with(script).Run(t.Context(), a, llm.User("Hi."))
		require.NoError(t, err)
		require.Equal(t, 3*time.Second, time.Since(begin))
		require.Equal(t, defs(weather(), one, two, three), script.Requests()[0].Tools)
	})
}

// TestToolsetErrorEndsTheListing: who fails a run keeps it waiting for nobody.
func TestToolsetErrorEndsTheListing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		late := slow("late", time.Hour, nil)
		late.Optional = true
		_, err := with(llmtest.Script(t)).Run(t.Context(), agentWith(late, slow("shop", time.Second, errPlanted)), llm.User("Hi."))
		require.EqualError(t, err, `turn 1: toolset "shop": planted`)
		require.ErrorIs(t, err, errPlanted)
		require.Equal(t, time.Second, time.Since(begin))
	})
}

// TestRunEndsWhileToolsetsAreListed: the end of a run is not a fault of a set, not
// even of an optional one that returns tools nevertheless.
func TestRunEndsWhileToolsetsAreListed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		set := slow("late", time.Hour, nil)
		set.Optional = true
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errPlanted)
		defer cancel()
		events, err := collect(with(llmtest.Script(t)).Stream(ctx, agentWith(set), llm.User("Hi.")))
		require.EqualError(t, err, "turn 1: context deadline exceeded: planted")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, []string{"run_started", "user_messaged", "run_failed"}, types(events))
	})
}

// TestToolsetThatEndsItsGoroutine fails a run that cannot do without it.
func TestToolsetThatEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	set := tool.Set{Name: "shop", List: func(context.Context) ([]tool.Tool, error) { runtime.Goexit(); return nil, nil }}
	_, err := with(llmtest.Script(t)).Run(t.Context(), agentWith(set), llm.User("Hi."))
	require.EqualError(t, err, `turn 1: toolset "shop": its List ended the goroutine`)
}

// TestOptionalNoticeIsRedacted as all that leaves a run.
func TestOptionalNoticeIsRedacted(t *testing.T) {
	t.Parallel()
	r := with(llmtest.Script(t, llmtest.Text("Fine.")))
	r.Redact = func(string) string { return "***" }
	events, err := collect(r.Stream(t.Context(), agentWith(outage("s", amiss("s3cret"))), llm.User("Hi.")))
	require.NoError(t, err)
	require.Equal(t, event.Notice{Text: "***"}, bodyOf(events, "notice", 0))
	require.NotContains(t, fmt.Sprint(events), "s3cret")
}
