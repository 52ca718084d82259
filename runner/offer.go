package runner

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// listTools finds out which tools the next turn offers: those of the agent, and
// those that its toolsets list now.
func (e *engine) listTools(ctx context.Context) error {
	if e.tools != nil && len(e.agent.Toolsets) == 0 {
		return nil // they cannot have changed
	}
	all := e.agent.Tools
	for _, set := range e.agent.Toolsets {
		listed, err := set.Tools(ctx)
		if err != nil {
			return err
		}
		all = append(all[:len(all):len(all)], listed...)
	}
	tools := make(map[string]tool.Tool, len(all))
	defs := make([]llm.ToolDef, len(all))
	marks := make([]event.OfferedTool, len(all))
	for i, t := range all {
		if _, twice := tools[t.Name()]; twice {
			return fmt.Errorf("agent %q: two tools are named %q", e.agent.DisplayName(), t.Name())
		}
		tools[t.Name()] = t
		defs[i], marks[i] = t.Def(), event.OfferedTool{Name: t.Name(), Fingerprint: t.Fingerprint()}
	}
	if slices.Equal(marks, e.marks) {
		defs = e.defs // who encoded them knows the slice
	}
	e.tools, e.defs, e.marks = tools, defs, marks
	return nil
}

// compareTools says what somebody should know about the tools of the next turn:
// what has changed since the conversation's last one, and whose arguments are not
// checked.
func (e *engine) compareTools() (notices []string) {
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
