package report_test

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/scenario"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/report"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
)

func page(t testing.TB, events []event.Event) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, report.HTML(&b, events))
	return b.String()
}

func ticket(t testing.TB, events []event.Event) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, report.Markdown(&b, events))
	return b.String()
}

var (
	acting = regexp.MustCompile(`(?s)<script>.*?</script>|<style>.*?</style>`)
	tag    = regexp.MustCompile(`<[^>]*>`)
	white  = regexp.MustCompile(`\s+`)
)

// textOf returns the text of a page without white space.
func textOf(page string) string {
	return white.ReplaceAllString(html.UnescapeString(tag.ReplaceAllString(acting.ReplaceAllString(page, ""), "")), "")
}

// outside returns the lines of a transcript that came from outside, without white space.
func outside(transcript string) (lines []string) {
	for line := range strings.Lines(transcript) {
		text, ok := strings.CutPrefix(line, "    ")
		if ok && !strings.Contains(line, "more characters") && !strings.Contains(line, "<port>") {
			lines = append(lines, white.ReplaceAllString(text, ""))
		}
	}
	return lines
}

// TestScenarios: the page of each scenario has each line that its transcript has from
// outside, and so has the ticket, if it is not too long.
func TestScenarios(t *testing.T) {
	t.Parallel()
	for _, s := range scenario.All() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			var events []event.Event
			var transcript string
			synctest.Test(t, func(t *testing.T) {
				ran := s.Run(t, scenario.Seats()[0], false, scenario.Desk())
				events, transcript = ran.Result.Events, runnertest.Transcript(ran.Result)
			})
			shown, told := textOf(page(t, events)), white.ReplaceAllString(ticket(t, events), "")
			require.Less(t, len(ticket(t, events)), 64<<10)
			lines := outside(transcript)
			for _, want := range lines {
				require.Contains(t, shown, want)
				if len(told) < 50_000 {
					require.Contains(t, told, want)
				}
			}
			require.NotEmpty(t, lines)
		})
	}
}

// TestStory holds the page of the story to what its reader looks for.
func TestStory(t *testing.T) {
	t.Parallel()
	got := page(t, story())
	shown := textOf(got)
	for _, want := range []string{
		"order desk failed", "2 runs", "8 turns", "7 calls, 1 without success", "waited 3 h 0 min for decisions",
		"repaired a comma at the end was removed", "as the model wrote them 17 bytes {'number': 'W3',}",
		"refund r1.t2.c0 done 400 ms", "approved after 3 h 0 min, with other arguments", "track r1.t1.c2 no success 2.0 s timeout",
		"cause get https://carrier.example/track/W3", "1 d 4 h without work left out", "history compacted 9 messages became 2", "limit reached turns: 3",
		"asked again not recorded openai: 429", "said meanwhile", "image image/png 2.0 KiB", "no answer is recorded", "tool_calls"[:0] + "answer rejected reason: empty",
	} {
		require.Contains(t, shown, white.ReplaceAllString(want, ""), want)
	}
	for _, e := range story() {
		if e.Seq > 0 {
			require.Equal(t, 1, strings.Count(got, fmt.Sprintf(`id="e%d"`, e.Seq)), e.Type())
		}
	}
}

var rect = regexp.MustCompile(`<rect class="([a-z ]+)" x="([0-9.]+)" y="([0-9]+)" width="([0-9.]+)" height="10"><title>([^<]*)</title>`)

// TestTimeline: bars overlap as the spans of the events do.
func TestTimeline(t *testing.T) {
	t.Parallel()
	var got []string
	ends := map[string]float64{}
	for _, m := range rect.FindAllStringSubmatch(page(t, story()), -1) {
		var x, w float64
		_, err := fmt.Sscan(m[2], &x)
		require.NoError(t, err)
		_, err = fmt.Sscan(m[4], &w)
		require.NoError(t, err)
		require.LessOrEqual(t, x+w, 1000.01)
		require.LessOrEqual(t, ends[m[3]], x+0.02, "bars of one row overlap: %s", m[5])
		ends[m[3]] = x + w
		got = append(got, fmt.Sprintf("%s %s %s", m[3], m[1], m[5]))
	}
	require.Equal(t, []string{
		"1 model Turn 1, 2.6 s",
		"13 call find_order r1.t1.c0, 300 ms", "25 queue find_order waits for its turn, 150 ms", "37 call bad track r1.t1.c2, 2.0 s", "25 call find_order r1.t1.c1, 350 ms",
		"1 model Turn 2, 1.1 s", "13 wait refund waits for approval, 3 h 0 min", "13 call refund r1.t2.c0, 400 ms", "1 model Turn 3, 800 ms",
	}, got[:9])
}

// TestPieces: every part of a session has a page and a ticket, and each of its events is
// on the page.
func TestPieces(t *testing.T) {
	t.Parallel()
	all := story()
	for i := range all {
		for _, events := range [][]event.Event{all[:i], all[i:], all[i : i+1]} {
			got := page(t, events)
			for _, e := range events {
				if e.Seq > 0 {
					require.Contains(t, got, fmt.Sprintf(`id="e%d"`, e.Seq))
				}
			}
			require.NotEmpty(t, ticket(t, events))
		}
	}
	require.Contains(t, textOf(page(t, nil)), "Asessionnorun")
	require.Contains(t, textOf(page(t, []event.Event{{}})), "Asessionnorun")
}

// TestUnanswered: what was streamed before a crash is shown.
func TestUnanswered(t *testing.T) {
	t.Parallel()
	tell := &teller{now: start}
	tell.tell(0, event.RunStarted{Run: 1, Agent: "a"}, event.TurnPrepared{Turn: 1, Agent: "a"},
		event.TextDelta{Text: "dropped"}, event.Restarted{Turn: 1, Error: "why"}, event.TextDelta{Text: "It is "}, event.TextDelta{Text: "22"})
	require.Contains(t, textOf(page(t, tell.events)), "answersofarItis22")
	require.NotContains(t, textOf(page(t, tell.events)), "dropped")
	require.Contains(t, textOf(page(t, tell.events)), "noendisrecorded")
	tell.tell(0, event.TurnPrepared{Turn: 1, Agent: "a"}) // the process began again
	require.Contains(t, textOf(page(t, tell.events)), "preparedagain")
	tell.tell(0, event.ModelAnswered{Turn: 1, Message: llm.Assistant("It is 22.", llm.ToolCall{Name: "f"})}, event.ToolCallStarted{Call: "r1.t1.c0", Name: "f", Arguments: "{}"},
		event.ToolProgress{Call: "r1.t1.c0", Name: "f", Done: 1, Total: 2})
	require.Contains(t, textOf(page(t, tell.events)), "began,andnoendisrecorded")
	require.Contains(t, textOf(page(t, tell.events)), "lastreport1of2")
	tell.tell(0, event.InDoubtDecided{Call: "r1.t1.c0", Decision: event.Happened, By: "caller"})
	require.Contains(t, textOf(page(t, tell.events)), "indoubthappened,decidedbycaller")
}

// TestHelpers: the run of a helper stands in its call, and its end is not the end of the
// session's run.
func TestHelpers(t *testing.T) {
	t.Parallel()
	tell := &teller{now: start}
	asks := func(name string) event.ModelAnswered {
		return event.ModelAnswered{Turn: 1, Message: llm.Assistant("", llm.ToolCall{Name: name, Arguments: "{}"}), Finish: llm.FinishOf("tool_calls", ""), Usage: llm.Usage{InputTokens: 10}}
	}
	inside := func(path string, bodies ...event.Body) {
		for _, b := range bodies {
			tell.tell(time.Second, b)
			tell.events[len(tell.events)-1].Path = event.CallRef(path)
		}
	}
	inside("", event.RunStarted{Run: 1, Agent: "chief"}, event.TurnPrepared{Turn: 1, Agent: "chief"}, asks("writer"), event.ToolCallStarted{Call: "r1.t1.c0", Name: "writer", Arguments: "{}", Helper: true})
	inside("r1.t1.c0", event.RunStarted{Run: 1, Agent: "writer"}, event.TurnPrepared{Turn: 1, Agent: "writer"}, asks("search"), event.ToolCallStarted{Call: "r1.t1.c0/r1.t1.c0", Name: "search", Arguments: "{}"},
		results("r1.t1.c0/r1.t1.c0", "search", "found", tell.now), event.RunFailed{Run: 1, Error: "no idea"})
	require.Contains(t, textOf(page(t, tell.events)), "chiefnoendisrecorded")
	inside("", results("r1.t1.c0", "writer", "nothing", start), event.RunFinished{Run: 1, Turns: 1})
	got := page(t, tell.events)
	for _, want := range []string{"chief finished", "2 turns", "2 calls", "20 tokens in", "result nothing Run 1: writer", "search r1.t1.c0/r1.t1.c0 done"} {
		require.Contains(t, textOf(got), white.ReplaceAllString(want, ""))
	}
	require.Equal(t, 1, strings.Count(got, `<article class="call bad" `)+strings.Count(got, `<section class="run bad"`))
	require.Contains(t, ticket(t, tell.events), "###### Turn 1")
}

// TestLong: a long session has a page of a bounded size, made in time that grows with the
// number of its events, and a ticket with its begin and its end.
func TestLong(t *testing.T) {
	t.Parallel()
	events := long(1000)
	require.Less(t, len(page(t, events)), 4<<20)
	md := ticket(t, events)
	require.Less(t, len(md), 64<<10)
	for _, want := range []string{"Do all of it.", "pieces left out", "### Turn 1\n", "### Turn 1000\n", `{"n":2001}`} {
		require.Contains(t, md, want)
	}
	short, whole := fastest(func() { page(t, events[:len(events)/10]) }), fastest(func() { page(t, events) })
	require.Less(t, whole, 40*short, "ten times the events")
}

func fastest(f func()) time.Duration {
	best := time.Hour
	for range 3 {
		began := time.Now()
		f()
		best = min(best, time.Since(began))
	}
	return best
}

// TestLarge: texts are cut, and a page of many large texts stays bounded.
func TestLarge(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("0123456789", 1<<20)
	tell := &teller{now: start}
	tell.tell(0, event.ToolCallStarted{Call: "r1.t1.c0", Name: "f", Arguments: `"` + large + `"`}, results("r1.t1.c0", "f", large, start))
	got := page(t, tell.events)
	require.Less(t, len(got), 400<<10)
	require.Contains(t, got, "… (10420224 more bytes)")
	require.Less(t, len(ticket(t, tell.events)), 16<<10)
	for i := range 500 {
		tell.tell(0, results(fmt.Sprintf("r1.t2.c%d", i), "f", large, start))
	}
	require.Less(t, len(page(t, tell.events)), 20<<20)
	require.Less(t, len(ticket(t, tell.events)), 64<<10)
	deep := strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)
	require.Less(t, len(page(t, []event.Event{{Seq: 1, Body: results("r1.t1.c0", "f", deep, start)}})), 200<<10)
}

// full fails at its n-th write.
type full struct{ n int }

var errFull = errors.New("the disk is full")

func (f *full) Write(p []byte) (int, error) {
	if f.n--; f.n < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// TestWriter: the error of the writer comes back, wherever it happens.
func TestWriter(t *testing.T) {
	t.Parallel()
	var whole bytes.Buffer
	require.NoError(t, report.HTML(&whole, story()))
	for n := range whole.Len()/4096 + 1 {
		require.ErrorIs(t, report.HTML(&full{n}, story()), errFull, n)
	}
	require.ErrorIs(t, report.Markdown(&full{}, story()), errFull)
}
