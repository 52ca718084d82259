package board_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/board"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/inbox"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A screen is a terminal that understands only the sequences of the board. It has as
// many lines as necessary.
type screen struct {
	t      *testing.T
	mu     sync.Mutex
	lines  []string
	row    int
	col    int
	wraps  bool
	writes int
}

var words = regexp.MustCompile("\x1b\\[(\\d*)([AJK])|\x1b\\[\\?(\\d+)([hl])|\r|\n|[^\x1b\r\n]+")

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	said := 0
	for _, w := range words.FindAllStringSubmatch(string(p), -1) {
		said += len(w[0])
		s.take(w)
	}
	require.Equal(s.t, len(p), said, "%q", p)
	require.True(s.t, s.wraps, "it is given back")
	return len(p), nil
}

// take consumes one sequence or character: the number and letter of a sequence, or a
// mode.
func (s *screen) take(w []string) {
	switch {
	case w[2] == "A":
		n, err := strconv.Atoi(w[1])
		require.NoError(s.t, err)
		s.row -= n
		require.GreaterOrEqual(s.t, s.row, 0)
	case w[2] == "J":
		require.Zero(s.t, s.col)
		s.lines = s.lines[:s.row]
	case w[2] == "K":
		s.put("")
	case w[3] == "7":
		s.wraps = w[4] == "h"
	case w[3] == "25":
	case w[0] == "\r":
		s.col = 0
	case w[0] == "\n":
		s.row, s.col = s.row+1, 0
	default:
		require.False(s.t, strings.ContainsFunc(w[0], unicode.IsControl), "%q", w[0])
		s.put(w[0])
	}
}

// put writes text over the text behind the cursor, and nothing else.
func (s *screen) put(text string) {
	for len(s.lines) <= s.row {
		s.lines = append(s.lines, "")
	}
	line := []rune(s.lines[s.row])
	rest := line[min(s.col+len([]rune(text)), len(line)):]
	if text == "" {
		rest = nil
	}
	s.lines[s.row] = string(line[:s.col]) + text + string(rest)
	s.col += len([]rune(text))
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

func (s *screen) frames() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

func of(id int64, state inbox.State, note string) inbox.Request {
	return inbox.Request{ID: id, Text: "request " + fmt.Sprint(id), State: state, Note: note}
}

func paused(id int64) inbox.Request {
	r := of(id, inbox.Paused, "")
	r.Pending = []runner.Pending{{Call: "r1.t1.c0", ToolCall: llm.ToolCall{Name: "pay", Arguments: `{"n":1}`}}}
	return r
}

func calls(worker int, id int64, arguments string) inbox.Report {
	return inbox.Report{Worker: worker, Request: of(id, inbox.Running, ""), Event: event.Event{Body: event.ToolCallStarted{Name: "pay", Arguments: arguments}}}
}

func state(worker int, r inbox.Request, totals inbox.Totals) inbox.Report {
	return inbox.Report{Worker: worker, Request: r, Totals: totals}
}

func answered(worker int, id, tokens int64) inbox.Report {
	return inbox.Report{Worker: worker, Request: of(id, inbox.Running, ""), Event: event.Event{Body: event.ModelAnswered{Usage: llm.Usage{InputTokens: tokens}}}}
}

// TestTerminal: a line for each worker in place, and finished requests above them.
func TestTerminal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &screen{t: t}
		b := board.New(s, func() (int, int) { return 80, 24 }, 2)
		defer b.Close()
		b.Report(state(0, of(1, inbox.Running, ""), inbox.Totals{Running: 1, Waiting: 2}))
		b.Report(calls(0, 1, `{"n":1}`))
		b.Report(answered(0, 1, 40))
		time.Sleep(1050 * time.Millisecond) // synctest: exact in a bubble, between two frames
		require.Equal(t, `
  worker 1     1  pay {"n":1}
  worker 2     -  idle
  0 done, 1 running, 2 waiting, 0 paused, 0 failed · 40 tokens · 1s`, s.String())

		b.Report(state(1, of(2, inbox.Running, ""), inbox.Totals{Running: 2, Waiting: 1}))
		b.Report(state(0, of(1, inbox.Done, "Paid.\nAll of it."), inbox.Totals{Running: 1, Waiting: 1, Done: 1, Tokens: 40}))
		b.Report(state(0, paused(3), inbox.Totals{Running: 1, Paused: 1, Done: 1, Tokens: 40}))
		b.Report(inbox.Report{Worker: 1, Request: of(2, inbox.Running, ""), Event: event.Event{Body: event.TurnPrepared{}}})
		time.Sleep(90 * time.Second) // synctest: exact in a bubble
		require.Equal(t, `   1  done      Paid. All of it.
   3  paused    pay {"n":1}

  worker 1     -  idle
  worker 2     2  asks the model
  1 done, 1 running, 0 waiting, 1 paused, 0 failed · 40 tokens · 1m31s`, s.String())

		b.Report(state(1, of(2, inbox.Failed, "no money"), inbox.Totals{Done: 1, Paused: 1, Failed: 1}))
		b.Close()
		b.Close()
		b.Report(state(1, of(2, inbox.Done, "late"), inbox.Totals{}))
		require.Equal(t, `   1  done      Paid. All of it.
   3  paused    pay {"n":1}
   2  failed    no money`, s.String())
	})
}

// TestRate: the board draws only changes, and at most ten times a second.
func TestRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &screen{t: t}
		b := board.New(s, func() (int, int) { return 80, 24 }, 1)
		defer b.Close()
		b.Report(state(0, of(1, inbox.Running, ""), inbox.Totals{}))
		time.Sleep(10*time.Second + 50*time.Millisecond) // synctest: exact in a bubble
		require.Equal(t, 11, s.frames(), "the seconds")
		for i := range 1000 {
			b.Report(calls(0, 1, fmt.Sprint(i)))
			time.Sleep(time.Millisecond) // synctest: exact in a bubble
		}
		require.Equal(t, 11+10, s.frames())
	})
}

// TestFits: lines fit the width of the terminal, and workers fit its height.
func TestFits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &screen{t: t}
		b := board.New(s, func() (int, int) { return 30, 6 }, 5)
		defer b.Close()
		b.Report(state(0, of(1, inbox.Running, ""), inbox.Totals{}))
		b.Report(calls(0, 1, strings.Repeat("é", 100)))
		b.Report(state(1, of(2, inbox.Done, strings.Repeat("é", 100)), inbox.Totals{Done: 1}))
		time.Sleep(1050 * time.Millisecond) // synctest: exact in a bubble, between two frames
		require.Equal(t, `   2  done      éééééééééééé…

  worker 1     1  pay éééééé…
  and 4 more
  1 done, 0 running, 0 waiti…
  0 tokens · 1s`, s.String())
	})
}

// TestElsewhere: the board describes the requests of other processes.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &screen{t: t}
		b := board.New(s, func() (int, int) { return 60, 24 }, 1)
		defer b.Close()
		idle := inbox.Report{Totals: inbox.Totals{Done: 10, Running: 3}, Others: inbox.Others{Count: 3}}
		b.Report(idle)
		time.Sleep(1050 * time.Millisecond) // synctest: exact in a bubble, between two frames
		require.Equal(t, `
  worker 1     -  idle
  elsewhere  3
  10 done, 3 running, 0 waiting, 0 paused, 0 failed
  0 tokens · 1s`, s.String())
		idle.Others.Free = 4100 * time.Millisecond
		b.Report(idle)
		time.Sleep(time.Second) // synctest: exact in a bubble
		require.Contains(t, s.String(), "\n  elsewhere  3; if their process died, free in 5s\n")
		b.Report(inbox.Report{})
		time.Sleep(time.Second) // synctest: exact in a bubble
		require.NotContains(t, s.String(), "elsewhere")
	})
	var out strings.Builder
	b := board.New(&out, nil, 2)
	others := inbox.Others{Count: 2, Free: 9 * time.Second}
	b.Report(inbox.Report{Worker: 0, Request: of(1, inbox.Running, ""), Others: others})
	b.Report(inbox.Report{Worker: 1, Others: others}) // one worker is busy, and there are more reports to come
	b.Report(inbox.Report{Worker: 0, Request: of(1, inbox.Done, "yes"), Others: others})
	b.Report(inbox.Report{Worker: 0, Others: others})
	b.Close()
	require.Equal(t, `   1  begins    request 1
   1  done      yes
waiting for requests of other processes: 2; if their process died, free in 9s
`, out.String())
}

// TestPlain: outside of a terminal, each event of interest is a whole line.
func TestPlain(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	b := board.New(&out, nil, 2)
	b.Report(state(0, of(1, inbox.Running, ""), inbox.Totals{}))
	b.Report(calls(0, 1, `{"n":1}`))
	b.Report(inbox.Report{Worker: 0, Request: of(1, inbox.Running, ""), Event: event.Event{Body: event.ApprovalDecided{Call: "r1.t1.c0", Approved: true}}})
	b.Report(inbox.Report{Worker: 0, Request: of(1, inbox.Running, ""), Event: event.Event{Body: event.Restarted{Error: "overloaded"}}})
	b.Report(state(0, of(1, inbox.Done, strings.Repeat("é", 100)), inbox.Totals{}))
	b.Report(state(0, paused(2), inbox.Totals{}))
	b.Report(inbox.Report{Worker: 0, Request: of(3, inbox.Running, ""), Elsewhere: true})
	b.Report(state(0, of(4, inbox.Waiting, ""), inbox.Totals{Waiting: 1}))
	b.Print("stopping")
	b.Close()
	require.Equal(t, `   1  begins    request 1
   1  calls     pay {"n":1}
   1  approved  r1.t1.c0
   1  again     overloaded
   1  done      `+strings.Repeat("é", 100)+`
   2  paused    pay {"n":1}
   3  held      by another process, which works on it
   4  waits     for a worker
stopping
`, out.String())
}

// TestUntrusted: texts of users and models cannot control the terminal.
func TestUntrusted(t *testing.T) {
	t.Parallel()
	evil := "a\x1b[2Jb\rc\u009bd\ae\nf\x00\u202e"
	synctest.Test(t, func(t *testing.T) {
		s := &screen{t: t}
		b := board.New(s, func() (int, int) { return 80, 24 }, 1)
		defer b.Close()
		running := inbox.Request{ID: 1, Text: evil, State: inbox.Running}
		b.Report(state(0, running, inbox.Totals{}))
		b.Report(inbox.Report{Request: running, Event: event.Event{Body: event.ToolCallStarted{Name: evil, Arguments: evil}}})
		time.Sleep(1050 * time.Millisecond) // synctest: exact in a bubble, between two frames
		b.Report(inbox.Report{Request: running, Event: event.Event{Body: event.Notice{Text: evil}}})
		b.Report(inbox.Report{Request: running, Event: event.Event{Body: event.Restarted{Error: evil}}})
		r := paused(2)
		r.Pending[0].ToolCall = llm.ToolCall{Name: evil, Arguments: evil}
		b.Report(state(0, r, inbox.Totals{}))
		b.Report(state(0, of(3, inbox.Failed, evil), inbox.Totals{}))
		b.Print(evil)
		b.Close()
		require.Equal(t, `   1  notice    a[2Jbcde f
   1  again     a[2Jbcde f
   2  paused    a[2Jbcde f a[2Jbcde f
   3  failed    a[2Jbcde f
a[2Jbcde f`, s.String())
	})
	var out strings.Builder
	b := board.New(&out, nil, 1)
	b.Report(state(0, inbox.Request{ID: 1, Text: evil, State: inbox.Running}, inbox.Totals{}))
	b.Close()
	require.Equal(t, "   1  begins    a[2Jbcde f\n", out.String())
}
