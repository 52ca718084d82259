package loop_test

import (
	"testing"

	"github.com/stretchr/testify/require"

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
				}
			}
		}
	}
}
