package sqljournal_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// ledger is the outside world: how often calls had their effect, by their keys.
type ledger struct {
	mu      sync.Mutex
	effects map[string]int
	names   map[string]string // what they did
	begun   map[string]bool   // sessions that a worker has begun, or is about to
	again   int               // decisions to run a call again
	crashes int
}

// process is one attempt of a worker at a session. It dies at an append, before
// it or after it; from then on nothing of it has an effect.
type process struct {
	journal.Journal
	ledger *ledger
	dieAt  int // how many appends it lives for
	after  bool
	dead   bool // guarded by the ledger's mutex
}

const immortal = 1 << 30

var errDead = errors.New("the process died")

func (p *process) Open(ctx context.Context, session string) (journal.Log, error) {
	log, err := p.Journal.Open(ctx, session)
	if err != nil {
		return nil, err
	}
	return &mortal{Log: log, process: p}, nil
}

// do has an effect, unless the process is dead.
func (p *process) do(key, what string) bool {
	p.ledger.mu.Lock()
	defer p.ledger.mu.Unlock()
	if p.dead {
		return false
	}
	p.ledger.effects[key]++
	p.ledger.names[key] = what
	return true
}

func (p *process) die() {
	p.ledger.mu.Lock()
	defer p.ledger.mu.Unlock()
	p.dead = true
	p.ledger.crashes++
}

// mortal is a log of a process that may die.
type mortal struct {
	journal.Log
	process *process
}

func (l *mortal) Append(ctx context.Context, sync bool, events ...event.Event) error {
	p := l.process
	p.dieAt--
	if p.dieAt != -1 {
		return l.Log.Append(ctx, sync, events...)
	}
	if p.after {
		if err := l.Log.Append(ctx, sync, events...); err != nil {
			return err
		}
	}
	p.die()
	sqljournal.Abandon(l.Log, errDead)
	return errDead
}

// Close of a process that is dead does nothing.
func (l *mortal) Close() error {
	l.process.ledger.mu.Lock()
	dead := l.process.dead
	l.process.ledger.mu.Unlock()
	if dead {
		return nil
	}
	return l.Log.Close()
}

type deedArgs struct {
	N int `json:"n"`
}

// desk has a tool that may be repeated, one that may not, and one that a person
// must approve.
func (p *process) desk() *agent.Agent {
	deed := func(name string, opts ...tool.Option) tool.Tool {
		return tool.Must(tool.New(name, "Does it.", func(ctx context.Context, in deedArgs) (string, error) {
			if !p.do(tool.CallFrom(ctx).Key, fmt.Sprint(name, in.N)) {
				return "", errDead
			}
			return fmt.Sprintf("%s %d is done", name, in.N), nil
		}, opts...))
	}
	return &agent.Agent{Name: "desk", Tools: []tool.Tool{deed("repeat", tool.Idempotent()), deed("once"), deed("ask", tool.NeedsApproval())}}
}

// worker answers from the history that it is sent: two turns of three calls.
func worker() llm.Model {
	return llmtest.NewScript(llmtest.Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		turn := 0
		for _, m := range req.Messages {
			if m.Role == llm.RoleAssistant {
				turn++
			}
		}
		if turn == 2 {
			return llmtest.Text("All is done.").Response()
		}
		args := deedArgs{turn}
		return llmtest.Calls("repeat", args).And(llmtest.Calls("once", args), llmtest.Calls("ask", args)).Response()
	}).Forever())
}

// decide answers what waits: calls are approved, and of those in doubt the ledger
// knows whether they happened.
func (l *ledger) decide(pending []runner.Pending) (in []runner.Input) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range pending {
		switch name := p.ToolCall.Name; {
		case !p.InDoubt:
			in = append(in, p.Approve())
		case l.effects[p.Key] > 0:
			in = append(in, p.Happened(llm.Text{Text: name + " " + strings.TrimPrefix(l.names[p.Key], name) + " is done"}))
		default:
			l.again++
			in = append(in, p.RunAgain())
		}
	}
	return in
}

// attempt brings a session on. True: it has come to its end.
func (l *ledger) attempt(ctx context.Context, j journal.Journal, session string, random *rand.Rand) (bool, error) {
	p := &process{Journal: j, ledger: l, dieAt: immortal, after: random.IntN(2) == 0}
	if random.IntN(5) == 0 {
		p.dieAt = random.IntN(8)
	}
	s := runner.Runner{Model: worker(), Journal: p}.Session(session)
	pending, err := s.Pending(ctx)
	if err != nil {
		return false, err
	}
	messages, err := s.Messages(ctx)
	if err != nil {
		return false, err
	}
	if n := len(messages); n > 0 && messages[n-1].Text() == "All is done." {
		return true, nil
	}
	if len(messages) == 0 {
		return false, l.begin(ctx, s, p, session)
	}
	result, err := s.Run(ctx, p.desk(), l.decide(pending)...)
	if err == nil && result.Text != "All is done." {
		return false, fmt.Errorf("%s ended with %q", session, result.Text)
	}
	return err == nil, err
}

// begin is done by one worker, who does not die before the message is kept: a
// second message would be another run.
func (l *ledger) begin(ctx context.Context, s *runner.Session, p *process, session string) error {
	l.mu.Lock()
	begun := l.begun[session]
	l.begun[session] = true
	l.mu.Unlock()
	if begun {
		return nil
	}
	p.dieAt = max(p.dieAt, 1)
	_, err := s.Run(ctx, p.desk(), runner.Say(llm.User("Do it all.")))
	if isBusy(err) {
		l.mu.Lock()
		l.begun[session] = false
		l.mu.Unlock()
	}
	return err
}

// later says whether a session is to be tried again: somebody else has it, it
// waits for a decision (which somebody else may have made meanwhile), the process
// died, it was so slow that it lost its lease, or somebody else finished it.
func later(err error) bool {
	_, decided := errors.AsType[*runner.DecisionError](err)
	finished := errors.Is(err, runner.ErrNoInput)
	return isBusy(err) || decided || finished ||
		errors.Is(err, runner.ErrPaused) || errors.Is(err, errDead) || errors.Is(err, sqljournal.ErrLost)
}

// contested is how many sessions workers fight for. The race detector makes
// SQLite, which is Go, ten times as slow.
func contested() int {
	if raced {
		return 40
	}
	return 200
}

// TestTwoWorkers: workers fight for the same 200 sessions, and a fifth of their
// attempts end in a crash. Each effect is had once, but for those of calls that
// may be repeated.
func TestTwoWorkers(t *testing.T) {
	onEach(t, func(t *testing.T, start func() *sqljournal.Journal) {
		const workers = 3
		sessions := contested()
		l := &ledger{effects: map[string]int{}, names: map[string]string{}, begun: map[string]bool{}}
		var group errgroup.Group
		for w := range workers {
			j := start()
			j.Lease = 2 * time.Second
			random := rand.New(rand.NewPCG(uint64(w), 6))
			group.Go(func() error { return l.work(t.Context(), j, sessions, random) })
		}
		require.NoError(t, group.Wait())
		require.Len(t, l.effects, 6*sessions)
		doubled := 0
		for key, n := range l.effects {
			if n != 1 && !strings.HasPrefix(l.names[key], "repeat") {
				doubled++
			}
		}
		t.Logf("sessions: %d, crashes: %d, decided to run again: %d, doubled: %d", sessions, l.crashes, l.again, doubled)
		require.Zero(t, doubled)
		require.Greater(t, l.crashes, sessions/5)
	})
}

// work brings all sessions to their ends, together with others who do the same.
func (l *ledger) work(ctx context.Context, j journal.Journal, sessions int, random *rand.Rand) error {
	left := random.Perm(sessions)
	for len(left) > 0 {
		again := left[:0]
		for _, i := range left {
			done, err := l.attempt(ctx, j, fmt.Sprint("session ", i), random)
			if err != nil && !later(err) {
				return err
			}
			if !done {
				again = append(again, i)
			}
		}
		left = again
	}
	return nil
}
