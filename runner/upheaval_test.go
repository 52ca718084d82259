package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestUpheaval runs sessions whose every stretch ends at random: the consumer
// leaves, the context ends in a call with its effect had or not, the journal
// refuses an append or all from then on (which is what a crash leaves), messages
// come in between; all kinds of decisions are given, old ones once more. Whatever
// happens, a call runs again only by a decision or if it may be repeated, what a
// person must approve runs as it was approved, the model never reads of an effect
// that was had that there was none, and each session comes to its end.
func TestUpheaval(t *testing.T) {
	t.Parallel()
	stretches := 0
	for seed := range uint64(150) {
		u := &upheaval{t: t, rand: rand.New(rand.NewPCG(seed, 6)), ledger: newLedger()}
		u.play()
		u.check()
		stretches += u.stretches
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	require.Greater(t, stretches, 1000, "the sessions are disturbed")
}

type upheaval struct {
	t         *testing.T
	rand      *rand.Rand
	store     recorded
	ledger    *ledger
	cancel    context.CancelFunc // nil: the next call is left alone
	hadEffect bool               // of the call that is cancelled
	old       []runner.Input     // answers that were right once
	stretches int
}

// agent is desk with calls that can be cancelled.
func (u *upheaval) agent() *agent.Agent {
	deed := func(name string, opts ...tool.Option) tool.Tool {
		return tool.Must(tool.New(name, "Does it.", func(ctx context.Context, in deedArgs) (string, error) {
			key, what := tool.CallFrom(ctx).Key, fmt.Sprint(name, in.N)
			u.ledger.mu.Lock()
			cancel, had := u.cancel, u.hadEffect
			u.cancel = nil
			u.ledger.mu.Unlock()
			if cancel == nil || had {
				u.ledger.do(key, what)
			}
			if cancel != nil {
				cancel()
				return "", context.Canceled
			}
			return "done", nil
		}, opts...))
	}
	return &agent.Agent{Name: "desk", Tools: []tool.Tool{deed("repeat", tool.Idempotent()), deed("once", tool.Alone()), deed("ask", tool.NeedsApproval())}}
}

func (u *upheaval) play() {
	in := []runner.Input{runner.Say(llm.User("Do it all."))}
	for u.stretches = 1; ; u.stretches++ {
		require.Less(u.t, u.stretches, 200, "the session does not end")
		err := u.stretch(in, u.stretches < 20)
		require.NotErrorIs(u.t, err, errOther)
		s := u.session()
		pending, perr := s.Pending(u.t.Context())
		require.NoError(u.t, perr)
		if u.finished() {
			return
		}
		in = u.decide(pending)
		if u.stretches < 20 && u.rand.IntN(8) == 0 || !u.began() {
			in = []runner.Input{runner.Say(llm.User("Do it all."))}
		}
	}
}

var errOther = errors.New("unexpected")

func (u *upheaval) session() *runner.Session {
	return runner.Runner{Model: worker(), Journal: &u.store, MaxTurns: 5}.Session("s")
}

func (u *upheaval) last() event.Event {
	events := eventsOf(u.t, &u.store.Memory)
	if len(events) == 0 {
		return event.Event{}
	}
	return events[len(events)-1]
}

func (u *upheaval) began() bool    { return u.last().Body != nil }
func (u *upheaval) finished() bool { return u.last().Type() == "run_finished" }

// stretch goes on until something happens.
func (u *upheaval) stretch(in []runner.Input, wild bool) error {
	ctx, cancel := context.WithCancel(u.t.Context())
	defer cancel()
	leaveAt := -1
	from, written, once := len(u.store.appends)+u.rand.IntN(8), u.rand.IntN(2) == 0, u.rand.IntN(2) == 0
	u.store.before = nil
	u.ledger.mu.Lock()
	u.cancel = nil
	if wild {
		switch u.rand.IntN(4) {
		case 0:
			leaveAt = u.rand.IntN(14)
		case 1:
			u.cancel, u.hadEffect = cancel, u.rand.IntN(2) == 0
		case 2:
			u.store.before = func(n int) (error, bool) {
				if n == from || n > from && !once {
					return errPlanted, written
				}
				return nil, false
			}
		}
	}
	u.ledger.mu.Unlock()
	n := 0
	for _, err := range u.session().Stream(ctx, u.agent(), in...) {
		if err != nil {
			if _, wrong := errors.AsType[*runner.DecisionError](err); wrong ||
				errors.Is(err, runner.ErrPaused) || errors.Is(err, errPlanted) || errors.Is(err, context.Canceled) {
				return err
			}
			return fmt.Errorf("%w: %w", errOther, err)
		}
		if n == leaveAt {
			break
		}
		n++
	}
	return nil
}

// decide answers some of what is asked, or as somebody did before.
func (u *upheaval) decide(pending []runner.Pending) (in []runner.Input) {
	if len(u.old) > 0 && u.rand.IntN(4) == 0 {
		return []runner.Input{u.old[u.rand.IntN(len(u.old))]}
	}
	for _, p := range pending {
		u.old = append(u.old, u.answer(p))
		if u.rand.IntN(4) > 0 {
			in = append(in, u.answer(p))
		}
	}
	return in
}

func (u *upheaval) answer(p runner.Pending) runner.Input {
	_, had := u.ledger.effects[p.Key]
	switch {
	case p.InDoubt && had:
		return []runner.Input{p.Happened(), p.Unknown()}[u.rand.IntN(2)]
	case p.InDoubt:
		return []runner.Input{p.RunAgain(), p.Unknown(), p.NotHappened()}[u.rand.IntN(3)]
	}
	return []runner.Input{p.Approve(), p.Approve(), p.Deny("no"), p.Edit(json.RawMessage(`{"n":9}`))}[u.rand.IntN(4)]
}

// check compares what the journal says with what was done.
func (u *upheaval) check() {
	t := u.t
	ended, starts, doubts := map[event.CallRef]bool{}, map[event.CallRef]int{}, map[event.CallRef]int{}
	asked, approved := map[event.CallRef]string{}, map[event.CallRef]string{}
	for _, e := range eventsOf(t, &u.store.Memory) {
		switch b := e.Body.(type) {
		case event.ApprovalAsked:
			asked[b.Call] = b.Arguments
		case event.ApprovalDecided:
			if b.Approved {
				approved[b.Call] = asked[b.Call]
			}
			if b.Arguments != "" {
				approved[b.Call] = b.Arguments
			}
		case event.InDoubtDecided:
			if b.Decision == event.RunAgain {
				doubts[b.Call]++
			}
		case event.ToolCallStarted:
			starts[b.Call]++
			require.LessOrEqual(t, starts[b.Call], 1+doubts[b.Call], "%s is started again", b.Call)
			if b.Name == "ask" {
				require.Equal(t, approved[b.Call], b.Arguments, "%s runs as it was approved", b.Call)
			}
		case event.ToolCallFinished:
			require.False(t, ended[b.Call], "%s ended twice", b.Call)
			ended[b.Call] = true
			if strings.Contains(texts([]llm.Message{{Role: llm.RoleTool, Parts: llm.Parts{b.Result}}})[0], "did not run") {
				for key := range u.ledger.effects {
					require.False(t, strings.HasSuffix(key, "/"+string(b.Call)), "%s had its effect, and the model reads %q", b.Call, b.Result.Text())
				}
			}
		}
	}
	for key, n := range u.ledger.times {
		ref := event.CallRef(key[strings.LastIndex(key, "/")+1:])
		require.LessOrEqual(t, n, starts[ref], "%s ran more often than it was started", ref)
	}
	for ref := range starts {
		require.True(t, ended[ref], "%s was lost", ref)
	}
}
