package loop_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// TestEverySavedState saves the state after every event of many sequences: the loaded state
// does the same as the state, to the end.
func TestEverySavedState(t *testing.T) {
	t.Parallel()
	saved := func(s *loop.State) string {
		data, err := s.Save()
		require.NoError(t, err)
		return string(data)
	}
	for i, way := range ways {
		for k, names := range scripts() {
			if len(names) != 2 || (i+k)%5 > 0 {
				continue
			}
			s := newSession(t)
			s.reject, s.serial, s.choice, s.checks, s.more = way.reject, way.serial, way.choice, way.checks, way.more
			s.lastTurn, s.change, s.stopAfter, s.sayAfter = way.lastTurn, way.change, way.stopAfter, 3
			s.stream = k%2 == 0
			s.run(script(names...))
			end := saved(s.state)
			for n := range s.events {
				whole := replay(t, s.events[:n])
				loaded, err := loop.Load([]byte(saved(whole)))
				require.NoError(t, err)
				require.Equal(t, saved(whole), saved(loaded))
				require.Equal(t, loop.Next(whole, s.limits()), loop.Next(loaded, s.limits()), "%v after %d", names, n)
				for _, e := range s.events[n:] {
					require.NoError(t, loaded.Apply(e))
				}
				require.Equal(t, end, saved(loaded), "%v after %d", names, n)
			}
		}
	}
}

// TestSavedHelper: the run of a helper is a part of a saved state.
func TestSavedHelper(t *testing.T) {
	t.Parallel()
	s := new(loop.State)
	apply := func(path event.CallRef, bodies ...event.Body) {
		for _, b := range bodies {
			require.NoError(t, s.Apply(event.Event{Seq: s.Seq + 1, Path: path, Body: b}))
			data, err := s.Save()
			require.NoError(t, err)
			s, err = loop.Load(data)
			require.NoError(t, err)
		}
	}
	answer := func(finish string, parts ...llm.Part) event.ModelAnswered {
		return event.ModelAnswered{Turn: 1, Message: llm.Assistant("", parts...), Finish: llm.FinishOf(finish, ""), Usage: llm.Usage{InputTokens: 1}}
	}
	const call = "r1.t1.c0"
	apply("", event.RunStarted{Run: 1, Agent: "a"}, event.UserMessaged{Message: llm.User("Go.")}, event.TurnPrepared{Turn: 1, Agent: "a"},
		answer("tool_calls", llm.ToolCall{ID: "c", Name: "h", Arguments: "{}"}), event.ToolCallStarted{Call: call, Name: "h", Arguments: "{}", Helper: true})
	apply(call, event.RunStarted{Run: 1, Agent: "h"}, event.UserMessaged{Message: llm.User("Go.")}, event.TurnPrepared{Turn: 1, Agent: "h"}, answer("stop", llm.Text{Text: "Done."}))
	require.EqualValues(t, 2, s.Usage.InputTokens, "the outer run pays for the helper")
	require.Equal(t, "Done.", s.Below(call).Text)
	apply(call, event.RunFinished{Run: 1, Turns: 1})
	apply("", event.ToolCallFinished{Call: call, Result: llm.ToolResult{Name: "h", Parts: llm.Parts{llm.Text{Text: "Done."}}}})
	require.Len(t, s.Messages, 3)
}

// TestForeignState: a state of another version, and damage, are errors.
func TestForeignState(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "{}", `{"layout":"0","state":{}}`} {
		_, err := loop.Load([]byte(bad))
		require.Error(t, err)
	}
}
