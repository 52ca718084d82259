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

// Faults returns the catalogue of faults of providers and networks. The waits
// take seconds to minutes, so tests that use the whole catalogue run in bubbles
// of testing/synctest.
func Faults() []Fault {
	const slow = `{"error":{"message":"Rate limit reached.","type":"requests","param":null,"code":"rate_limit_exceeded"}}`
	// Longer than the timeouts of clients, so that tests reach the timeouts. Short
	// enough for a second attempt in a run that is limited to an hour.
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

// statusUntil is Status with a date in Retry-After, d after the answer.
func statusUntil(code int, d time.Duration, header http.Header, body string) Fault {
	f := Status(code, header, body)
	f.raw.date = d
	f.name += fmt.Sprintf(" with Retry-After the date in %v", d)
	return f
}

// faulted returns a copy of s with the fault, for the place before s. A step that is
// not an answer is replaced by an empty answer.
//
// If the copy arrives intact, for example with a fault that is only a delay, the copy
// also counts as s.
func faulted(s Step, f Fault) Step {
	if s.err != nil || s.raw != nil || s.fault.kind != noFault {
		s = Step{match: s.match, forever: s.forever, delay: s.delay}
	}
	s = s.With(f)
	s.forever = false
	s.faultCopy = true
	return s
}

// EveryFault runs a test for each of [Faults] at each step of a script, as
// subtests named after both. At that step the model first answers with the
// fault, and answers the next request without the fault. A correct program
// continues as if nothing had happened, or ends with the error. The test finds a
// program that takes half an answer for a whole answer, or sends a request too
// many.
//
// run gets a model like that of [Script], but unused steps do not fail the test,
// because some faults end a program. The fault itself must be used: a program that
// ends before the fault fails the test, and so does a script without steps, because
// neither tests anything. Most programs wait before they repeat a request, so
// run is a call of synctest.Test:
//
//	llmtest.EveryFault(t, steps, func(t *testing.T, m *llmtest.Model) {
//		synctest.Test(t, func(t *testing.T) { … })
//	})
func EveryFault(t *testing.T, steps []Step, run func(t *testing.T, m *Model)) {
	t.Helper()
	if err := check(steps); err != nil {
		t.Fatal(err)
	}
	if len(steps) == 0 {
		t.Fatal("llmtest: EveryFault needs a step that faults can be put before")
	}
	for i, step := range steps {
		t.Run(fmt.Sprintf("step %d", i+1), func(t *testing.T) {
			for _, f := range Faults() {
				t.Run(f.String(), func(t *testing.T) {
					m := NewScript(slices.Insert(slices.Clone(steps), i, faulted(step, f))...)
					m.lenient, m.fault = true, i+1
					run(t, m.in(t))
				})
			}
		})
	}
}

// Chaos returns a Model like that of [Script], with random faults of [Faults]
// before about every second step, as [EveryFault] puts a fault before one step.
// The seed chooses the faults and is also the model's Seed. Zero means a random
// seed. Unused steps do not fail the test, but a test without any request fails.
// A failed test logs the seed and the faults in order.
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
