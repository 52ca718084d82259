package llmtest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// Faults returns the catalogue: what goes wrong with providers and on the way to
// them, each kind of trouble once or in its different forms. The waits in it are
// seconds to minutes long, so tests that use all of it run in bubbles of
// testing/synctest.
func Faults() []Fault {
	const slow = `{"error":{"message":"Rate limit reached.","type":"requests","param":null,"code":"rate_limit_exceeded"}}`
	// Longer than the patience of clients, which is tested so, and short enough to
	// leave time for another try to who bounds a whole run by an hour.
	const silence = 20 * time.Minute
	header := func(name, value string) http.Header {
		h := http.Header{"Content-Type": {"application/json"}}
		if name != "" {
			h.Set(name, value)
		}
		return h
	}
	refusal := func(e *llm.APIError) Fault {
		p := errorReply(e)
		return Status(p.status, p.header, p.frames[0].data)
	}
	return []Fault{
		Status(http.StatusTooManyRequests, header("", ""), slow),
		Status(http.StatusTooManyRequests, header("Retry-After", "2"), slow),
		Status(http.StatusTooManyRequests, header("Retry-After-Ms", "1500"), slow),
		statusUntil(http.StatusTooManyRequests, 3*time.Second, header("", ""), slow),
		refusal(&llm.APIError{Kind: llm.KindAuth}),
		refusal(&llm.APIError{Kind: llm.KindContextOverflow}),
		refusal(&llm.APIError{Kind: llm.KindServer}),
		Status(http.StatusBadGateway, http.Header{"Content-Type": {"text/html"}}, "<html><title>502 Bad Gateway</title></html>"),
		refusal(&llm.APIError{Kind: llm.KindOverloaded}),
		Late(30 * time.Second),
		Stall(0, silence),
		Stall(1, silence),
		Cut(0),
		Cut(1),
		CutBytes(100),
		Reset(-1),
		Reset(1),
		ErrorEvent(0, &llm.APIError{Kind: llm.KindOverloaded}),
		ErrorEvent(1, &llm.APIError{Kind: llm.KindServer}),
		GarbageEvent(1, "<html>Bad Gateway</html>"),
		ContentType("text/plain"),
	}
}

// statusUntil is Status with the Retry-After that is a date, so far from when the
// answer is given.
func statusUntil(code int, d time.Duration, header http.Header, body string) Fault {
	f := Status(code, header, body)
	f.raw.date = d
	f.name += fmt.Sprintf(" with Retry-After the date in %v", d)
	return f
}

// faulted returns the answer of s with the fault, to stand before s. What is no
// answer itself is replaced by one.
//
// Given whole, as with a fault that is only a delay, it stands for s itself.
func faulted(s Step, f Fault) Step {
	if s.err != nil || s.raw != nil || s.fault.kind != noFault {
		s = Step{match: s.match, forever: s.forever, delay: s.delay}
	}
	s = s.With(f)
	s.forever = false
	s.spare = true
	return s
}

// EveryFault runs a test once for each of [Faults] at each step of a script, as
// subtests with the names of both. There the step is given with the fault first
// and then, to who asks again, without. So a program that does the right thing
// goes on as if nothing had happened, or ends with the error; one that takes half
// an answer for a whole one, or asks once more than it should, is found out.
//
// run gets a model as of [Script], but for one thing: steps may be left, since
// not every fault lets a program go on. Most programs wait before they ask again,
// so run is a call of synctest.Test:
//
//	llmtest.EveryFault(t, steps, func(t *testing.T, m *llmtest.Model) {
//		synctest.Test(t, func(t *testing.T) { … })
//	})
func EveryFault(t *testing.T, steps []Step, run func(t *testing.T, m *Model)) {
	t.Helper()
	if err := check(steps); err != nil {
		t.Fatal(err)
	}
	for i, step := range steps {
		t.Run(fmt.Sprintf("step %d", i+1), func(t *testing.T) {
			for _, f := range Faults() {
				t.Run(f.String(), func(t *testing.T) {
					m := NewScript(slices.Insert(slices.Clone(steps), i, faulted(step, f))...)
					m.lenient = true
					run(t, m.in(t))
				})
			}
		})
	}
}

// Chaos returns a Model as of [Script] in which the seed has put faults of
// [Faults] before about every other step, as [EveryFault] does before one; it is
// the model's Seed as well. Steps may be left. Zero draws a seed. A test that
// fails shows the seed and what went wrong when.
func Chaos(t testing.TB, seed uint64, steps ...Step) *Model {
	t.Helper()
	if err := check(steps); err != nil {
		t.Fatal(err)
	}
	for seed == 0 {
		seed = rand.Uint64()
	}
	r := rand.New(rand.NewPCG(seed, 0))
	var script []Step
	var schedule strings.Builder
	for i, step := range steps {
		for n := 0; n < 2 && r.IntN(2) == 0; n++ {
			f := Faults()[r.IntN(len(Faults()))]
			script = append(script, faulted(step, f))
			fmt.Fprintf(&schedule, "\n  step %d: %s", i+1, f)
		}
		script = append(script, step)
	}
	if schedule.Len() == 0 {
		schedule.WriteString("\n  no faults")
	}
	m := NewScript(script...)
	m.lenient, m.Seed = true, seed
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("llmtest: Chaos with seed %d:%s", seed, &schedule)
		}
	})
	return m.in(t)
}
