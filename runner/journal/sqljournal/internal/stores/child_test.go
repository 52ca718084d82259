package stores_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/compact"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// childVariable holds the order of a child, as JSON.
const childVariable = "TOOLLOOP_KILL_CHILD"

// An order says what a child does.
type order struct {
	Store   string // "files", "sqlite" or "postgres"
	Place   string // a path or a connection string
	BaseURL string // of the model
	Session string
	// Decide: Runner.Decide decides about calls. Else the run pauses, and goes on
	// with the answers to its Pending.
	Decide bool
	// Helpers: two helpers at the same time do the work, and the desk asks them.
	Helpers bool `json:",omitempty"`
	// Team: two agents with checks do the work. The first hands over to the other, and gets
	// the conversation back.
	Team bool `json:",omitempty"`
	// Fault is something that the test must notice: forgets or repeats.
	Fault string `json:",omitempty"`
}

// The faults.
const (
	forgets = "forgets" // the journal acknowledges each append before it writes it
	repeats = "repeats" // a tool says that it may be repeated, and may not
)

// lease is short: who takes over from a process that was killed waits for its end.
const lease = 500 * time.Millisecond

// openStore opens the store, and readies its tables.
func (o order) openStore(ctx context.Context) (journal.Journal, error) {
	if o.Fault == forgets {
		return forgetful{journal.Dir{Path: o.Place}}, nil
	}
	if o.Store == "files" {
		return journal.Dir{Path: o.Place}, nil
	}
	open := sqljournal.OpenSQLite
	if o.Store == "postgres" {
		open = sqljournal.OpenPostgres
	}
	store, err := open(ctx, o.Place)
	if err != nil {
		return nil, err
	}
	store.Lease = lease
	return store, nil
}

// runChild is the program that is killed.
func runChild(text string) int {
	p := newParent(os.Stdin, os.Stdout)
	var o order
	err := json.Unmarshal([]byte(text), &o)
	if err == nil {
		text, err = o.run(context.Background(), p)
	}
	if err != nil {
		p.tell(report{Kind: broken, Text: err.Error()})
		return 1
	}
	p.tell(report{Kind: ended, Text: text})
	return 0
}

// run brings the session to its end, wherever it stands, and returns what it came to.
func (o order) run(ctx context.Context, p *parent) (string, error) {
	store, err := o.openStore(ctx)
	if err != nil {
		return "", err
	}
	r := runner.Runner{
		Journal: watched{store, p}, MaxTurns: o.maxTurns(), AtLimit: runner.LastAnswer,
		Compact: &compact.Policy{Tokens: 60, Strategy: withoutThanks},
	}
	if o.Decide {
		r.Decide = func(_ context.Context, c runner.Pending) (runner.Input, error) { return o.decide(p, c), nil }
	}
	var s *runner.Session
	r.Model = o.model(p, func(ctx context.Context) error { return s.SayOnce(ctx, "hurry", llm.User("Hurry.")) })
	s = r.Session(o.Session)
	if err := s.SayOnce(ctx, "task", llm.User("Thank you."), llm.User("Do it all.")); err != nil {
		return "", err
	}
	result, err := s.Run(ctx, o.desk(p))
	for errors.Is(err, runner.ErrPaused) {
		result, err = o.answer(ctx, p, s, result.Pending)
	}
	if err != nil && !errors.Is(err, runner.ErrNoInput) { // that one: the session was at its end
		return "", err
	}
	return transcript(ctx, store, o.Session, result.Messages)
}

// answer answers what a run waits for. Results come from outside, and each comes twice.
func (o order) answer(ctx context.Context, p *parent, s *runner.Session, pending []runner.Pending) (*runner.Result, error) {
	var in, results []runner.Input
	for _, c := range pending {
		if !c.Late && !c.InDoubt {
			in = append(in, o.approve(c))
			continue
		}
		a := p.tell(report{Kind: known, Call: effect{Key: c.Key, Fence: c.Seq}})
		if !a.Known {
			in = append(in, c.RunAgain())
			continue
		}
		p.point("before hand-in " + refOf(c.Key))
		results = append(results, runner.Pending{Key: c.Key}.Result(llm.Text{Text: a.Text}))
	}
	result, err := s.Run(ctx, o.desk(p), append(in, results...)...)
	if len(results) > 0 && (err == nil || errors.Is(err, runner.ErrPaused)) {
		p.point("after hand-in")
		return s.Run(ctx, o.desk(p), results...)
	}
	return result, err
}

// withoutThanks is a compaction that leaves out the first message, until it is gone.
func withoutThanks(_ context.Context, h *compact.History) ([]llm.Message, error) {
	if h.Messages[0].Text() == "Thank you." {
		return h.Messages[1:], nil
	}
	return h.Messages, nil
}

// model is the HTTP model, with points around it. During its second answer somebody says
// something.
func (o order) model(p *parent, say func(context.Context) error) llm.Model {
	remote := openai.Config{BaseURL: o.BaseURL, Key: "none"}.Model("worker")
	return llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		turn := answersIn(req) + 1
		who := fmt.Sprintf("the model's answer %d %s", turn, req.Instructions)
		p.point("before " + who)
		defer p.point("after " + who)
		if turn == 2 && !o.Helpers {
			if err := say(ctx); err != nil {
				return nil, err
			}
		}
		return remote.Generate(ctx, req, sink)
	})
}

// An outcome is the answer of a session.
type outcome struct {
	Done string `json:"done"`
}

type deedArgs struct {
	N int `json:"n"`
}

// desk is an agent with a tool that may be repeated, one that may not, one that
// can ask the outside world, one that a person must approve, and one whose result comes
// later.
func (o order) desk(p *parent) *agent.Agent {
	later := map[string]bool{"sent": true} // the tools whose results come from outside
	deed := func(name string, opts ...tool.Option) tool.Tool {
		return tool.Must(tool.New(name, "Does it.", func(ctx context.Context, in deedArgs) (string, error) {
			c := tool.CallFrom(ctx)
			key := c.Key
			p.point("before effect " + refOf(key))
			defer p.point("after effect " + refOf(key))
			text := p.tell(report{Kind: effects, Call: effect{key, c.Fence, name, in.N}}).Text
			if later[name] {
				return "", tool.Later(refOf(key))
			}
			return text, nil
		}, opts...))
	}
	ask := tool.Reconcile(func(_ context.Context, c tool.Call, _ json.RawMessage) (string, bool, error) {
		a := p.tell(report{Kind: known, Call: effect{Key: c.Key, Fence: c.Fence}})
		return a.Text, a.Known, nil
	})
	var lie []tool.Option
	if o.Fault == repeats {
		lie = append(lie, tool.Idempotent())
	}
	tools := []tool.Tool{
		deed("repeat", tool.Idempotent()), deed("once", lie...), deed("bank", ask), deed("gated", tool.NeedsApproval()),
		deed("sent"),
	}
	switch {
	case o.Team:
		return team(tools)
	case !o.Helpers:
		return &agent.Agent{Name: "desk", Output: agent.OutputOf[outcome](), Tools: tools}
	}
	helper := func(name string) agent.Helper {
		return agent.Helper{Name: name, Description: "Works.", Agent: &agent.Agent{Name: name, Instructions: name, Tools: tools}}
	}
	return &agent.Agent{Name: "desk", Instructions: deskName, Helpers: []agent.Helper{helper("left"), helper("right")}}
}

// deskName are the instructions of a desk with helpers.
const deskName = "desk"

// approve is an answer of a person, which stands for the later calls of the tool. With helpers
// it does not: then calls of both helpers would begin at every moment, and points would be rare.
func (o order) approve(c runner.Pending) runner.Input {
	if o.Helpers {
		return runner.By("ada", c.Approve())
	}
	return runner.By("ada", c.ApproveAlways(event.EveryCall))
}

// decide is what a person says: yes, and what the outside world knows.
func (o order) decide(p *parent, c runner.Pending) runner.Input {
	if !c.InDoubt {
		return o.approve(c)
	}
	if a := p.tell(report{Kind: known, Call: effect{Key: c.Key, Fence: c.Seq}}); a.Known {
		return c.Happened(llm.Text{Text: a.Text})
	}
	return c.RunAgain()
}

// transcript is all that a session came to: what was said, with every id, and the
// run as its events tell it, but for the interruptions: pauses, and what was
// decided about calls in doubt.
func transcript(ctx context.Context, store journal.Journal, session string, said []llm.Message) (string, error) {
	log, err := store.Open(ctx, session)
	if err != nil {
		return "", err
	}
	defer func() { _ = log.Close() }() // it was only read
	var all []event.Event
	for e, err := range log.Events(ctx) {
		if err != nil {
			return "", err
		}
		switch e.Body.(type) {
		case event.RunPaused, event.InDoubtDecided, event.ToolCallDeferred:
		default:
			all = append(all, e)
		}
	}
	data, err := json.MarshalIndent(said, "", "  ")
	return runnertest.Transcript(&runner.Result{Events: all}) + string(data), err
}
