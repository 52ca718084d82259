package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// A Change is what [Runner.BeforeTurn] changes. A Change holds for one turn. The
// Messages stay in the conversation. The zero Change changes nothing.
type Change struct {
	// Model generates the answer of the turn. Nil means the Model of the run.
	Model llm.Model
	// Settings replace the Settings of the agent. Nil means the Settings of the agent. To
	// change a single setting, copy the agent's Settings and set the field.
	Settings *llm.Settings
	// Offer has the names of the tools that the model may call; other tools of the agent are
	// not in the request, and calls of these tools do not run. Nil means all tools. An empty
	// slice that is not nil means no tool. The order of the tools stays that of the agent. A
	// name that the agent does not have ends the run with an error, unless a toolset could
	// not be listed. To name a tool of a deferred set is to find the tool.
	Offer []string
	// ToolChoice is the tool choice of the request, and the runner enforces the choice as
	// explained at [agent.Agent]. A forced call is forced in this turn even if the model made
	// a call before. Empty means the choice of Settings. In a last turn at a limit, and after
	// an answer in a wrong form, no tool can be called in any case.
	ToolChoice llm.ToolChoice
	// Messages enter the conversation before the request. The rules are those of the
	// messages of [Runner.Run].
	Messages []llm.Message
	// Handoff is the name of the agent that goes on with the conversation, one of the agents
	// to which the Handoffs of the first agent lead, or the first agent. The event HandedOff
	// records the hand-off, and BeforeTurn is called again for the turn, with the new agent
	// in its info. So the other fields must be empty. Empty, or the name of the agent that
	// has the conversation, means no hand-off. The Filter of a matching [agent.Handoff] holds.
	// In a last turn at a limit, Handoff does nothing after Limits.Handoffs hand-offs.
	Handoff string
}

// A turnChange is the part of a Change that no event holds.
type turnChange struct {
	model    llm.Model     // nil: the model of the run
	settings *llm.Settings // nil: the settings of the agent
	// The definitions of the tools with some names, of an offer:
	of    *offer
	names []string
	defs  []llm.ToolDef
}

// change asks BeforeTurn about a turn and writes the answer into the event of the turn. For
// a turn that was prepared before a crash, the recorded answer counts. Only a Model and
// Settings, which no event holds, are asked for again. to is the name of an agent that takes
// the turn over.
func (e *engine) change(ctx context.Context, s *loop.State, b *event.TurnPrepared) (to string, err error) {
	if e.changed == nil {
		e.changed = new(turnChange)
	}
	e.changed.model, e.changed.settings = nil, nil
	e.limits.Serial = isSerial(&e.agent.Settings)
	again := s.Prepared()
	if again {
		before := s.Change()
		b.Offer, b.Chosen, b.Changed = before.Offer, before.Chosen, before.Changed
		if !b.Changed {
			return "", nil
		}
	}
	info := e.info(s, b.Turn)
	if again { // the question is the same as before the crash
		info.Messages = slices.Clip(s.Messages[:len(s.Messages)-s.Change().Added])
	}
	c, err := safely(ctx, e.logger, "BeforeTurn", func(ctx context.Context) (Change, error) { return e.runner.BeforeTurn(ctx, info) })
	if err != nil {
		return "", err
	}
	if c.Handoff != "" && c.Handoff != e.agent.DisplayName() && !again && !e.mustAnswer(s) {
		if c.Model != nil || c.Settings != nil || c.Offer != nil || c.ToolChoice != "" || len(c.Messages) > 0 {
			return "", errors.New("a Change with a Handoff must have no other fields")
		}
		return c.Handoff, nil
	}
	e.changed.model = c.Model
	if c.Settings != nil {
		settings := cloneSettings(*c.Settings)
		e.changed.settings = &settings
	}
	e.limits.Serial = isSerial(e.settings())
	if again {
		return "", nil
	}
	b.Changed = c.Model != nil || c.Settings != nil
	b.Offer, b.Chosen = slices.Clone(c.Offer), c.ToolChoice
	if err := e.offerNamed(c.Offer); err != nil {
		return "", err
	}
	if len(c.Messages) > 0 {
		b.Messages, err = checkInput(c.Messages)
	}
	return "", err
}

// offerNamed checks the names of tools. A name of a tool that the model has not found yet
// counts as finding the tool.
func (e *engine) offerNamed(names []string) error {
	for _, name := range names {
		_, known := e.offer.tools[name]
		switch {
		case known:
		case e.offer.catalog.has(name):
			e.offer = e.offer.with(e.offer.catalog.tools[e.offer.catalog.places[name]])
			e.weigh()
		case !e.offer.incomplete():
			return fmt.Errorf("the agent has no tool %q to offer", name)
		}
	}
	return nil
}

// settings returns the settings of the current turn.
func (e *engine) settings() *llm.Settings {
	if e.changed != nil && e.changed.settings != nil {
		return e.changed.settings
	}
	return &e.agent.Settings
}

// modelOfTurn returns the model of the current turn.
func (e *engine) modelOfTurn() llm.Model {
	if e.changed != nil && e.changed.model != nil {
		return e.changed.model
	}
	return e.model
}

// defs returns the definitions of the tools on offer in a turn. The same offer gives the
// same slice, which a client that encoded the slice recognizes.
func (e *engine) defs(s *loop.State) []llm.ToolDef {
	names := s.Change().Offer
	if names == nil {
		return e.offer.defs
	}
	if e.changed == nil { // the turn was prepared by a process with a BeforeTurn
		e.changed = new(turnChange)
	}
	o := e.changed
	if o.of != e.offer || !slices.Equal(o.names, names) {
		defs := make([]llm.ToolDef, 0, len(names))
		for _, d := range e.offer.defs {
			if slices.Contains(names, d.Name) {
				defs = append(defs, d)
			}
		}
		o.of, o.names, o.defs = e.offer, names, defs
	}
	return o.defs
}

// offeredNames returns the names of the tools that the model could call in the turn of a
// call.
func (e *engine) offeredNames(c *loop.Call) []string {
	if !c.Withheld {
		return e.offer.names()
	}
	s := e.recorder.snapshot()
	return s.Change().Offer
}

// incomplete reports whether a toolset could not be listed.
func (o *offer) incomplete() bool {
	return slices.ContainsFunc(o.listings, func(l listing) bool { return l.err != nil })
}
