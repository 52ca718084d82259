package runnertest_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A mailroom answers letters: it reserves a parcel, ships the parcel, pays a refund that
// a person approves, and writes a mail. The functions are the places for mistakes.
type mailroom struct {
	*runnertest.World
	letters  []string        // what is left to do
	clicked  map[string]bool // the person was asked, and has answered
	answers  map[string]bool // what the office has kept of that
	paid     map[string]bool // what the office has noted of its payments
	attempts int
	fail     func(bool) // fails the test

	// What follows is the program; the mistakes replace it.
	begin  func(ctx context.Context, r runner.Runner, a *agent.Agent, letter string) error
	next   func(work func(letter string) error) error
	keep   func(memory *memory, key string)
	parcel func(memory *memory, in parcelArgs) int
	refund func(ctx context.Context, what string)
	mail   func(ctx context.Context, what string)
}

// A memory is what a process keeps in its variables.
type memory struct {
	answers map[string]bool
	parcel  int
}

type parcelArgs struct{ Parcel int }

func newMailroom(w *runnertest.World) *mailroom {
	m := &mailroom{World: w, letters: []string{"Refund W1."}, clicked: map[string]bool{}, answers: map[string]bool{}, paid: map[string]bool{}}
	m.begin = func(ctx context.Context, r runner.Runner, a *agent.Agent, letter string) error {
		_, err := r.Session(letter).Run(ctx, a, runner.Once(letter, llm.User(letter)))
		return err
	}
	m.next = func(work func(string) error) error {
		letter := m.letters[0]
		err := work(letter)
		if err == nil {
			m.letters = slices.DeleteFunc(m.letters, func(l string) bool { return l == letter })
		}
		return err
	}
	m.keep = func(_ *memory, key string) { m.answers[key] = true }
	m.parcel = func(_ *memory, in parcelArgs) int { return in.Parcel }
	m.refund = func(ctx context.Context, what string) { m.Effect(ctx, tool.CallFrom(ctx).Key, what) }
	m.mail = m.refund
	return m
}

// live is the program.
func (m *mailroom) live(ctx context.Context, r runner.Runner) error {
	mem := &memory{answers: map[string]bool{}}
	a := m.agent(mem)
	for len(m.letters) > 0 {
		if err := m.next(func(letter string) error { return m.answer(ctx, r, a, mem, letter) }); err != nil {
			return err
		}
	}
	return nil
}

func (m *mailroom) answer(ctx context.Context, r runner.Runner, a *agent.Agent, mem *memory, letter string) error {
	err := m.begin(ctx, r, a, letter)
	for errors.Is(err, runner.ErrPaused) {
		var pending []runner.Pending
		s := r.Session(letter)
		if pending, err = s.Pending(ctx); err != nil {
			return err
		}
		var in []runner.Input
		for _, p := range pending {
			if !m.clicked[p.Key] {
				m.clicked[p.Key] = true
				m.keep(mem, p.Key)
			}
			if m.answers[p.Key] || mem.answers[p.Key] {
				in = append(in, p.Approve())
			}
		}
		if len(in) == 0 {
			return runner.ErrPaused
		}
		_, err = s.Run(ctx, a, in...)
	}
	if errors.Is(err, runner.ErrNoInput) {
		return nil
	}
	return err
}

func (m *mailroom) agent(mem *memory) *agent.Agent {
	return &agent.Agent{Name: "mailroom", Tools: []tool.Tool{
		tool.Must(tool.New("reserve", "Reserves a parcel.", func(ctx context.Context, _ struct{}) (int, error) {
			m.Effect(ctx, tool.CallFrom(ctx).Key, "reserve 7")
			mem.parcel = 7
			return 7, nil
		}, tool.Idempotent())),
		tool.Must(tool.New("ship", "Ships a parcel.", func(ctx context.Context, in parcelArgs) (string, error) {
			m.Effect(ctx, tool.CallFrom(ctx).Key, fmt.Sprint("ship ", m.parcel(mem, in)))
			return "ok", nil
		}, tool.Idempotent())),
		tool.Must(tool.New("refund", "Pays.", func(ctx context.Context, _ struct{}) (string, error) {
			m.refund(ctx, "refund W1")
			return "ok", nil
		}, tool.Idempotent(), tool.NeedsApproval())),
		tool.Must(tool.New("mail", "Writes.", func(ctx context.Context, _ struct{}) (string, error) {
			m.mail(ctx, "mail W1")
			return "ok", nil
		}, tool.Idempotent())),
	}}
}

var letterSteps = []llmtest.Step{
	llmtest.Calls("reserve", struct{}{}),
	llmtest.Calls("ship", parcelArgs{7}).And(llmtest.Calls("refund", struct{}{})),
	llmtest.Calls("mail", struct{}{}),
	llmtest.Text("Done."),
}

// crashPlants are mistakes in a mailroom, and what EveryCrash says about them.
var crashPlants = []struct {
	name  string
	spoil func(*mailroom)
	found []string
}{
	{name: "none", spoil: func(*mailroom) {}},
	{"effect before record", func(m *mailroom) {
		m.refund = func(ctx context.Context, what string) {
			if key := tool.CallFrom(ctx).Key; !m.paid[key] {
				m.Effect(ctx, "", what)
				m.paid[key] = true
			}
		}
	}, []string{`the process died after the effect refund W1: doubled: refund W1 happened 2 times, and 1 times undisturbed`}},
	{"key ignored", func(m *mailroom) {
		m.refund = func(ctx context.Context, what string) {
			m.attempts++
			m.Effect(ctx, fmt.Sprint("attempt-", m.attempts), what)
		}
	}, []string{`doubled: refund W1`}},
	{"result kept in memory", func(m *mailroom) {
		m.parcel = func(mem *memory, _ parcelArgs) int { return mem.parcel }
	}, []string{`an effect that the undisturbed program does not have: ship 0`, `lost: ship 7`}},
	{"approval kept in memory", func(m *mailroom) {
		m.keep = func(mem *memory, key string) { mem.answers[key] = true }
	}, []string{`stuck: 20 starts did not finish the work; the last one: runner: the run is paused`}},
	{"double begin", func(m *mailroom) {
		m.begin = func(ctx context.Context, r runner.Runner, a *agent.Agent, letter string) error {
			s := r.Session(letter)
			messages, err := s.Messages(ctx)
			var in []runner.Input
			if len(messages) == 0 {
				in = append(in, runner.Say(llm.User(letter)))
			}
			if err == nil {
				_, err = s.Run(ctx, a, in...)
			}
			return err
		}
	}, []string{`a process stood still before opening session Refund W1., while another took over: doubled: `}},
	{"lost message", func(m *mailroom) {
		m.next = func(work func(string) error) error {
			letter := m.letters[0]
			m.letters = m.letters[1:]
			return work(letter)
		}
	}, []string{`the process died before opening session Refund W1.: lost: `}},
	{"non-idempotent retry", func(m *mailroom) {
		m.mail = func(ctx context.Context, what string) { m.Effect(ctx, "", what) }
	}, []string{`doubled: mail W1`}},
	{"lease ignored", func(m *mailroom) {
		begin := m.begin
		m.begin = func(ctx context.Context, r runner.Runner, a *agent.Agent, letter string) error {
			err := begin(ctx, r, a, letter)
			if _, busy := errors.AsType[*journal.BusyError](err); busy {
				return begin(ctx, r, a, letter+" (2)")
			}
			return err
		}
	}, []string{`doubled: `}},
	{"own check", func(m *mailroom) {
		m.parcel = func(*memory, parcelArgs) int { m.fail(len(m.letters) > 0); return 7 }
	}, []string{`runnertest: undisturbed`}},
	{"foreign context", func(m *mailroom) {
		m.refund = func(_ context.Context, what string) { m.Effect(context.Background(), "k", what) }
	}, []string{`the context of an Effect is not from the Life of this World`}},
	{"waits for ever", func(m *mailroom) {
		m.next = func(func(string) error) error { select {} }
	}, []string{`undisturbed: stuck: the program ignores the end of its context`}},
}

// TestCrashStore: a program may have its own store, and check its end itself.
func TestCrashStore(t *testing.T) {
	t.Parallel()
	steps := []llmtest.Step{llmtest.Calls("note", struct{}{}), llmtest.Text("Noted.")}
	points := 0
	runnertest.EveryCrash(t, steps, func(t *testing.T, w *runnertest.World) runnertest.Life {
		points++
		w.Store = journal.Dir{Path: t.TempDir()}
		notes := map[string]bool{}
		return func(ctx context.Context, r runner.Runner) error {
			note := tool.Must(tool.New("note", "Notes.", func(ctx context.Context, _ struct{}) (string, error) {
				notes[tool.CallFrom(ctx).Key] = true
				return "ok", nil
			}, tool.Idempotent()))
			result, err := r.Session("s").Run(ctx, &agent.Agent{Tools: []tool.Tool{note}}, runner.Once("begin", llm.User("Note it.")))
			if err == nil {
				require.Equal(t, "Noted.", result.Text)
				require.Len(t, notes, 1)
			}
			return err
		}
	})
	require.Equal(t, 1+2*(1+2*6), points, "undisturbed; both kinds at the opening, and before and after six appends")
}

// plantedCrash names the mistake of TestMailroom.
const plantedCrash = "RUNNERTEST_CRASH"

// TestMailroom: the mailroom survives every crash. With a planted mistake it does not.
func TestMailroom(t *testing.T) {
	t.Parallel()
	name := cmp.Or(os.Getenv(plantedCrash), "none")
	for _, p := range crashPlants {
		if p.name != name {
			continue
		}
		runnertest.EveryCrash(t, letterSteps, func(t *testing.T, w *runnertest.World) runnertest.Life {
			m := newMailroom(w)
			m.fail = func(failed bool) { require.False(t, failed) }
			p.spoil(m)
			return m.live
		})
	}
}

// TestCrashPlanted: EveryCrash finds each mistake, and says what it is.
func TestCrashPlanted(t *testing.T) {
	t.Parallel()
	for _, p := range crashPlants[1:] {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMailroom$")
			cmd.Env = append(os.Environ(), plantedCrash+"="+p.name)
			out, err := cmd.CombinedOutput()
			require.Error(t, err)
			for _, text := range p.found {
				require.Contains(t, string(out), text)
			}
		})
	}
}
