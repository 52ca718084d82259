package runner

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/invoke"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
	"golang.org/x/sync/errgroup"
)

// listTools finds out which tools the next turn offers: those of the agent, and
// those that its toolsets list now.
func (e *engine) listTools(ctx context.Context) error {
	if e.tools != nil && len(e.agent.Toolsets) == 0 {
		return nil // they cannot have changed
	}
	listings, err := e.listSets(ctx)
	if err != nil {
		return err
	}
	all, err := e.unite(listings)
	if err != nil {
		return err
	}
	tools := make(map[string]tool.Tool, len(all))
	defs := make([]llm.ToolDef, len(all))
	marks := make([]event.OfferedTool, len(all))
	for i, t := range all {
		tools[t.Name()] = t
		defs[i], marks[i] = t.Def(), event.OfferedTool{Name: t.Name(), Fingerprint: t.Fingerprint()}
	}
	if slices.Equal(marks, e.marks) {
		defs = e.defs // who encoded them knows the slice
	}
	e.tools, e.defs, e.marks, e.listings = tools, defs, marks, listings
	return nil
}

// A listing is what a toolset said. It has an error if tools are missing that the
// run can do without.
type listing struct {
	tools []tool.Tool
	err   error
	late  <-chan invoke.Return[[]tool.Tool] // of a List that was left behind
}

// defaultListTimeout is the time of a toolset's List.
const defaultListTimeout = 30 * time.Second

// listSets asks all toolsets at the same time. The first error of one that is not
// optional ends the wait for the others.
func (e *engine) listSets(ctx context.Context) ([]listing, error) {
	listings := make([]listing, len(e.agent.Toolsets))
	copy(listings, e.listings) // for what is still late
	group, within := errgroup.WithContext(ctx)
	for i, set := range e.agent.Toolsets {
		group.Go(func() error {
			listings[i] = e.list(within, set, listings[i].late)
			if set.Optional {
				return nil
			}
			return listings[i].err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return listings, causeOf(ctx) // for which a set that is optional need not have cared
}

// list lists the tools of one set within its time. While an abandoned List of the set
// is running, list does not call List again: each turn would leave one more behind.
func (e *engine) list(ctx context.Context, set tool.Set, late <-chan invoke.Return[[]tool.Tool]) listing {
	if late != nil && len(late) == 0 {
		return listing{late: late, err: fmt.Errorf("toolset %q: its List of an earlier turn has not returned", set.Name)}
	}
	d := orDefault(set.Timeout, defaultListTimeout)
	own, cancel := invoke.Within(ctx, d)
	defer cancel()
	r := invoke.Apart(own, func(ctx context.Context, _ here) ([]tool.Tool, error) { return set.Tools(ctx) })
	l := listing{tools: r.Value, err: r.Err, late: r.Late}
	switch {
	case r.Left:
		e.logger.Warn("toolset left behind: its List ignores its context", "toolset", set.Name)
		l.err = fmt.Errorf("toolset %q: its List did not return: %w", set.Name, causeOf(own))
	case r.Exited:
		l.err = fmt.Errorf("toolset %q: its List ended the goroutine", set.Name)
	case r.Err != nil && own.Err() != nil && ctx.Err() == nil:
		l.err = fmt.Errorf("%w (List may take %v)", r.Err, d)
	}
	return l
}

// unite returns the tools of a turn in the order of the sets. A tool of an
// optional set gives way to those of its name that the run cannot do without,
// wherever these stand, and to those of optional sets before it: no server can
// take a tool's place, nor end the run by trying.
func (e *engine) unite(listings []listing) ([]tool.Tool, error) {
	taken := make(map[string]bool)
	if err := e.claim(taken, e.agent.Tools); err != nil {
		return nil, err
	}
	for i, set := range e.agent.Toolsets {
		if set.Optional {
			continue
		}
		if err := cmp.Or(listings[i].err, e.claim(taken, listings[i].tools)); err != nil {
			return nil, err
		}
	}
	all := slices.Clone(e.agent.Tools)
	for i, set := range e.agent.Toolsets {
		if set.Optional {
			listings[i].giveWay(taken, set.Name)
		}
		all = append(all, listings[i].tools...)
	}
	return all, nil
}

// claim enters the names of tools of which none may be taken.
func (e *engine) claim(taken map[string]bool, tools []tool.Tool) error {
	for _, t := range tools {
		if taken[t.Name()] {
			return fmt.Errorf("agent %q: two tools are named %q", e.agent.DisplayName(), t.Name())
		}
		taken[t.Name()] = true
	}
	return nil
}

// giveWay leaves out the tools whose names are taken, and takes those of the
// others.
func (l *listing) giveWay(taken map[string]bool, set string) {
	l.tools = slices.DeleteFunc(l.tools, func(t tool.Tool) bool {
		if !taken[t.Name()] {
			taken[t.Name()] = true
			return false
		}
		l.err = cmp.Or(l.err, fmt.Errorf("toolset %q: tool %q is left out, as another one has its name", set, t.Name()))
		return true
	})
}

// missingTools returns notices about optional toolsets that failed, unless the
// turn before had the same notice.
func (e *engine) missingTools() (notices []string) {
	told := make([]string, len(e.listings))
	for i, l := range e.listings {
		if l.err == nil {
			continue
		}
		told[i] = e.redact(l.err)
		if i >= len(e.told) || told[i] != e.told[i] {
			notices = append(notices, told[i])
		}
	}
	e.told = told
	return notices
}

// compareTools returns notices about the tools of the next turn: missing tools,
// tools that changed since the conversation's last turn, and tools whose
// arguments are not checked.
func (e *engine) compareTools() []string {
	notices := e.missingTools()
	before := map[string]string{}
	same := e.state.ToolsAgent == e.agent.DisplayName()
	for _, t := range e.state.Tools {
		if same {
			before[t.Name] = t.Fingerprint
		}
	}
	for _, t := range e.marks {
		old, known := before[t.Name]
		delete(before, t.Name)
		if known && old == t.Fingerprint {
			continue
		}
		if err := e.tools[t.Name].Unchecked(); err != nil {
			notices = append(notices, fmt.Sprintf("the arguments of tool %s are not checked: %s", t.Name, e.redact(err)))
		}
		if repairs := e.tools[t.Name].SchemaRepairs(); len(repairs) > 0 {
			notices = append(notices, fmt.Sprintf("the schema of tool %s was repaired: %s", t.Name, e.redactText(strings.Join(repairs, "; "))))
		}
		switch {
		case known:
			notices = append(notices, fmt.Sprintf("tool %s has another definition than in the turn before", t.Name))
		case same:
			notices = append(notices, fmt.Sprintf("tool %s is new", t.Name))
		}
	}
	for _, gone := range slices.Sorted(maps.Keys(before)) {
		notices = append(notices, fmt.Sprintf("tool %s is gone", gone))
	}
	for _, text := range notices {
		e.logger.Warn("notice", "turn", e.state.Turn+1, "text", text)
	}
	return notices
}
