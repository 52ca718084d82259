package loop_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// TestEverySaying says something after every event of each sequence: the message is in the
// history once, never between a call and its result, and a run that finished has answered it.
func TestEverySaying(t *testing.T) {
	t.Parallel()
	for i, way := range ways {
		for _, names := range scripts() {
			if len(names) > 2 || i > 4 && len(names) > 1 {
				continue
			}
			for _, atEnd := range []bool{false, true} {
				for after := 1; ; after++ {
					s := newSession(t)
					s.reject, s.serial, s.choice, s.checks, s.more = way.reject, way.serial, way.choice, way.checks, way.more
					s.lastTurn, s.change, s.stopAfter, s.sayAfter, s.atEnd = way.lastTurn, way.change, way.stopAfter, after, atEnd
					s.run(script(names...))
					if len(s.events) < after {
						break
					}
					requireValid(t, s.state.History(placeholder))
					require.Equal(t, s.state, replay(t, s.events), "%v said after %d", names, after)
					s.choice, s.checks, s.more, s.stopAfter = "", "", loop.Limits{}, 0
					s.run(script())
					requireValid(t, s.state.Messages)
					require.Equal(t, "Done.", s.state.Text)
					said := 0
					for _, m := range s.state.Messages {
						if m.Text() == "By the way." {
							said++
						}
					}
					if way.more.Compact == 0 { // the compaction of the tests drops messages
						require.Equal(t, 1, said, "%v said after %d", names, after)
					}
					require.False(t, s.state.GoesOn())
					finished, known, same := s.state.Once("said", []llm.Message{llm.User("By the way.")})
					require.Equal(t, []any{s.state.Run, true, true}, []any{max(finished, s.state.Run), known, same}, "%v said after %d", names, after)
					require.NotZero(t, finished, "%v said after %d", names, after)
				}
			}
		}
	}
}

// TestKeysAreBounded: of very many keys, the first and the newest are known.
func TestKeysAreBounded(t *testing.T) {
	t.Parallel()
	s := new(loop.State)
	say := func(key string) {
		body := event.UserMessaged{Message: llm.User(key), Said: true, Key: key}
		require.NoError(t, s.Apply(event.Event{Seq: s.Seq + 1, Body: body}))
	}
	for i := range 3000 {
		before := s.Snapshot()
		say(fmt.Sprint(i))
		_, known, _ := before.Once(fmt.Sprint(i), nil)
		require.False(t, known) // a copy does not change
	}
	for i, want := range map[int]bool{0: true, 1: false, 2000: false, 2001: true, 2999: true} {
		_, known, same := s.Once(fmt.Sprint(i), []llm.Message{llm.User(fmt.Sprint(i))})
		require.Equal(t, []bool{want, want}, []bool{known, same}, i)
	}
}

// TestEverySayingInTheLastTurn says something after every event of each run, where the run may
// take no turn more than without the message: a run that would finish finishes with its
// answer, and the next run reads the message.
func TestEverySayingInTheLastTurn(t *testing.T) {
	t.Parallel()
	for i, way := range ways {
		for _, names := range scripts() {
			if len(names) > 2 || way.more.Request > 0 || i > 4 && len(names) > 1 {
				continue // a message can exceed the limit on a request
			}
			if way.checks != "" && way.checks != "o" {
				continue // the second final answer would not fit either
			}
			for _, atEnd := range []bool{false, true} {
				walk := func(sayAfter, turns int) *session {
					s := newSession(t)
					s.reject, s.serial, s.choice, s.checks, s.more = way.reject, way.serial, way.choice, way.checks, way.more
					s.lastTurn, s.change, s.stopAfter, s.sayAfter, s.atEnd, s.turns = way.lastTurn, way.change, way.stopAfter, sayAfter, atEnd, turns
					s.run(script(names...))
					return s
				}
				whole := walk(0, 0)
				answer, finished := whole.end()
				for after := 1; finished && after <= len(whole.events); after++ {
					s := walk(after, whole.state.Turn)
					text, finished := s.end()
					require.True(t, finished, "%v said after %d", names, after)
					if s.state.Waiting() {
						require.Equal(t, answer, text)
					}
					require.Equal(t, s.state, replay(t, s.events))
					s.choice, s.checks, s.more, s.stopAfter, s.turns = "", "", loop.Limits{}, 0, 0
					s.run(script())
					require.False(t, s.state.Waiting())
					requireValid(t, s.state.Messages)
				}
			}
		}
	}
}

// end returns the text of a run, and whether the run finished.
func (s *session) end() (text string, finished bool) {
	for _, e := range slices.Backward(s.events) {
		switch e.Body.(type) {
		case event.RunFinished:
			return s.state.Text, true
		case event.RunFailed:
			return "", false
		}
	}
	return "", false
}
