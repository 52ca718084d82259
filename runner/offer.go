package runner

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/invoke"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// defaultListTimeout is the time of a toolset's List.
const defaultListTimeout = 30 * time.Second

// An offer is the tools that the model may call in a turn: the tools of the agent, the
// tools that its toolsets listed for this turn, and of deferred sets a tool that searches
// them and the tools that the model has found. An offer does not change after
// listTools returned it, so goroutines may share an offer without a lock.
type offer struct {
	agent    *agent.Agent
	tools    map[string]tool.Tool
	defs     []llm.ToolDef
	marks    []event.OfferedTool // names and fingerprints, in the order of defs
	listings []listing           // of the agent's toolsets
	final    bool                // a tool has tool.Final
	catalog  *catalog            // of the deferred toolsets
}

// A listing is the outcome of one List. err says why tools are missing that the run can
// do without.
type listing struct {
	tools []tool.Tool
	err   error
	late  <-chan invoke.Return[[]tool.Tool] // of a List that was left behind
}

// listTools makes the offer of the next turn.
func (e *engine) listTools(ctx context.Context) (err error) {
	var s *loop.State
	if hasDeferred(&e.agent) {
		s = new(e.recorder.snapshot())
	}
	if e.runner.PutAside > 0 && e.own == nil {
		reader, err := e.newReader()
		if err != nil {
			return err
		}
		e.own = []tool.Tool{reader}
	}
	o, err := listTools(ctx, &e.agent, e.own, e.offer, s, e.logger)
	if err == nil {
		e.offer = o
		e.weigh()
	}
	return err
}

// listTools returns the offer of the next turn. own are tools of the runner. before is the offer of the turn before,
// or nil. s is the state, or nil if the agent has no deferred set.
func listTools(ctx context.Context, a *agent.Agent, own []tool.Tool, before *offer, s *loop.State, logger *slog.Logger) (*offer, error) {
	if before == nil {
		before = new(offer)
	} else if len(a.Toolsets) == 0 {
		return before, nil // only toolsets change their tools
	}
	listings, err := listSets(ctx, a.Toolsets, before.listings, logger)
	if err != nil {
		return nil, err
	}
	all, deferred, err := joinTools(a, own, listings)
	if err != nil {
		return nil, err
	}
	catalog, err := newCatalog(a, deferred, before.catalog)
	if err != nil {
		return nil, err
	}
	if catalog != nil {
		all = append(append(all, catalog.search), catalog.found(s)...) // at the end, so a provider's cache keeps the rest
	}
	o := &offer{
		agent: a, listings: listings, catalog: catalog,
		tools: make(map[string]tool.Tool, len(all)), defs: make([]llm.ToolDef, len(all)), marks: make([]event.OfferedTool, len(all)),
	}
	for i, t := range all {
		o.tools[t.Name()] = t
		o.final = o.final || t.Final()
		o.defs[i], o.marks[i] = t.Def(), event.OfferedTool{Name: t.Name(), Fingerprint: t.Fingerprint()}
	}
	if slices.Equal(o.marks, before.marks) {
		o.defs = before.defs // a client that encoded the slice recognizes it
	}
	return o, nil
}

// with returns an offer with one more tool at the end.
func (o *offer) with(t tool.Tool) *offer {
	more := *o
	more.tools = maps.Clone(o.tools)
	more.tools[t.Name()] = t
	more.final = o.final || t.Final()
	more.defs = append(slices.Clip(o.defs), t.Def())
	more.marks = append(slices.Clip(o.marks), event.OfferedTool{Name: t.Name(), Fingerprint: t.Fingerprint()})
	return &more
}

// listSets lists all toolsets at the same time. The first error of a set that is not
// optional ends the wait for the others.
func listSets(ctx context.Context, sets []tool.Set, before []listing, logger *slog.Logger) ([]listing, error) {
	if len(sets) == 0 {
		return nil, nil
	}
	listings := make([]listing, len(sets))
	copy(listings, before) // for the Lists of earlier turns that are still running
	group, within := errgroup.WithContext(ctx)
	for i, set := range sets {
		group.Go(func() error {
			listings[i] = list(within, set, listings[i].late, logger)
			if set.Optional {
				return nil
			}
			return listings[i].err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return listings, causeOf(ctx) // an optional set may have hidden the end of ctx
}

// list returns the tools of a set, within the time of the set. While an abandoned List of the set
// is running, list does not call List again: each turn would leave one more behind.
func list(ctx context.Context, set tool.Set, late <-chan invoke.Return[[]tool.Tool], logger *slog.Logger) listing {
	if late != nil && len(late) == 0 {
		return listing{late: late, err: fmt.Errorf("toolset %q: its List of an earlier turn has not returned", set.Name)}
	}
	d := orDefault(set.Timeout, defaultListTimeout)
	own, cancel := invoke.Within(ctx, d)
	defer cancel()
	r := invoke.Alone(own, func(ctx context.Context) ([]tool.Tool, error) { return set.Tools(ctx) })
	l := listing{tools: r.Value, err: r.Err, late: r.Late}
	switch {
	case r.Left:
		logger.Warn("toolset left behind: its List ignores its context", "toolset", set.Name)
		l.err = fmt.Errorf("toolset %q: its List did not return: %w", set.Name, causeOf(own))
	case r.Exited:
		l.err = fmt.Errorf("toolset %q: its List ended the goroutine", set.Name)
	case r.Err != nil && own.Err() != nil && ctx.Err() == nil:
		l.err = fmt.Errorf("%w (List may take %v)", r.Err, d)
	}
	return l
}

// joinTools returns the tools of a turn, and apart those of deferred sets, both in the
// order of the sets. A tool of an optional
// set is left out if another tool has its name: a tool that the run needs, wherever that
// tool stands, or a tool of an earlier optional set. No server can therefore replace a
// tool of the program, or end the run by trying.
func joinTools(a *agent.Agent, own []tool.Tool, listings []listing) (all, deferred []tool.Tool, err error) {
	if len(a.Toolsets)+len(own) == 0 && len(a.Tools) <= fewTools { // a map costs more than comparisons
		return slices.Clip(a.Tools), nil, differentNames(a)
	}
	taken := make(map[string]bool)
	if hasDeferred(a) {
		taken[searchName] = true
	}
	if err := cmp.Or(takeNames(a, taken, own), takeNames(a, taken, a.Tools)); err != nil {
		return nil, nil, err
	}
	for i, set := range a.Toolsets {
		if set.Optional {
			continue
		}
		if err := cmp.Or(listings[i].err, takeNames(a, taken, listings[i].tools)); err != nil {
			return nil, nil, err
		}
	}
	all = append(slices.Clip(a.Tools), own...) // an append must not reach the agent
	for i, set := range a.Toolsets {
		if set.Optional {
			listings[i].dropTaken(taken, set.Name)
		}
		if set.Deferred {
			deferred = append(deferred, listings[i].tools...)
		} else {
			all = append(all, listings[i].tools...)
		}
	}
	return all, deferred, nil
}

// fewTools is the number of tools whose names are compared without a map.
const fewTools = 16

// differentNames returns an error if two tools of an agent have the same name.
func differentNames(a *agent.Agent) error {
	for i, t := range a.Tools {
		if slices.ContainsFunc(a.Tools[:i], func(other tool.Tool) bool { return other.Name() == t.Name() }) {
			return fmt.Errorf("agent %q: two tools are named %q", a.DisplayName(), t.Name())
		}
	}
	return nil
}

// takeNames enters the names of tools in taken. A taken name is an error.
func takeNames(a *agent.Agent, taken map[string]bool, tools []tool.Tool) error {
	for _, t := range tools {
		if taken[t.Name()] {
			return fmt.Errorf("agent %q: two tools are named %q", a.DisplayName(), t.Name())
		}
		taken[t.Name()] = true
	}
	return nil
}

// dropTaken leaves out the tools with taken names, and enters the names of the others.
func (l *listing) dropTaken(taken map[string]bool, set string) {
	l.tools = slices.DeleteFunc(l.tools, func(t tool.Tool) bool {
		if !taken[t.Name()] {
			taken[t.Name()] = true
			return false
		}
		l.err = cmp.Or(l.err, fmt.Errorf("toolset %q: tool %q is left out, as another one has its name", set, t.Name()))
		return true
	})
}

// names returns the names of the tools, in the order of the offer.
func (o *offer) names() []string {
	names := make([]string, len(o.defs))
	for i, d := range o.defs {
		names[i] = d.Name
	}
	return names
}

// missing returns the errors of optional toolsets as notices, one for each toolset,
// empty for a toolset without error.
func (o *offer) missing(red *redactor) []string {
	notices := make([]string, len(o.listings))
	for i, l := range o.listings {
		if l.err != nil {
			notices[i] = red.error(l.err)
		}
	}
	return notices
}

// changes returns notices about new, changed and missing tools since the conversation's
// last turn, and about tools with unchecked arguments or a repaired schema. A tool that
// the model has found is not new. Between two
// agents every tool differs, so changes compares only the turns of one agent.
func (o *offer) changes(s *loop.State, red *redactor) (notices []string) {
	if s.ToolsAgent == o.agent.DisplayName() && slices.Equal(o.marks, s.Tools) {
		return nil // nearly always
	}
	before := map[string]string{}
	same := s.ToolsAgent == o.agent.DisplayName()
	if same {
		for _, t := range s.Tools {
			before[t.Name] = t.Fingerprint
		}
	}
	for _, t := range o.marks {
		old, known := before[t.Name]
		delete(before, t.Name)
		if known && old == t.Fingerprint {
			continue
		}
		if err := o.tools[t.Name].Unchecked(); err != nil {
			notices = append(notices, fmt.Sprintf("the arguments of tool %s are not checked: %s", t.Name, red.error(err)))
		}
		if repairs := o.tools[t.Name].SchemaRepairs(); len(repairs) > 0 {
			notices = append(notices, fmt.Sprintf("the schema of tool %s was repaired: %s", t.Name, red.text(strings.Join(repairs, "; "))))
		}
		switch {
		case known:
			notices = append(notices, fmt.Sprintf("tool %s has another definition than in the turn before", t.Name))
		case same && !o.catalog.has(t.Name):
			notices = append(notices, fmt.Sprintf("tool %s is new", t.Name))
		}
	}
	if len(before) == 0 {
		return notices
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		notices = append(notices, fmt.Sprintf("tool %s is gone", name))
	}
	return notices
}
