package serve

import (
	"slices"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// In AG-UI, the run of a helper is a sub-agent whose id is the call of the helper. A sub-agent
// begins with the first piece in this stream, and again in each stream, because a stream is a
// run of the protocol.

// helper begins the sub-agent of a helper's call, if that is necessary, and returns its id. The
// id is empty if the sub-agent has ended in this stream: the protocol lets no id begin twice.
func (a *agWriter) helper(path event.CallRef, agent string) (id string, err error) {
	open, known := a.helpers[path]
	if known {
		if open {
			id = string(path)
		}
		return id, nil
	}
	e := agEvent{Type: "SUBAGENT_STARTED", HelperID: string(path), Name: agent, HelperCall: a.id(string(path))}
	if e.Name == "" {
		e.Name = "helper"
	}
	if outer := path.Path(); outer != "" {
		if e.OuterHelper, err = a.helper(outer, ""); err != nil {
			return "", err
		}
	}
	a.helpers[path] = true
	a.begun = append(a.begun, path)
	return string(path), a.send(e)
}

func (a *agWriter) helperPiece(p piece) error {
	if p.kind == aHelperEnd {
		return a.endHelper(event.CallRef(p.id), p.end)
	}
	id, err := a.helper(event.CallRef(p.name), p.agent)
	if err != nil {
		return err
	}
	return a.send(
		agEvent{Type: "TEXT_MESSAGE_START", MessageID: p.id, Role: "assistant", HelperID: id},
		agEvent{Type: "TEXT_MESSAGE_CONTENT", MessageID: p.id, Delta: p.text, HelperID: id},
		agEvent{Type: "TEXT_MESSAGE_END", MessageID: p.id, HelperID: id},
	)
}

// endHelper ends the sub-agent of a helper's call, if it is open.
func (a *agWriter) endHelper(path event.CallRef, how ending) error {
	if !a.helpers[path] {
		return nil
	}
	a.helpers[path] = false
	e := agEvent{Type: "SUBAGENT_FINISHED", HelperID: string(path), Outcome: &agOutcome{Type: "success"}}
	switch how {
	case paused:
		e.Outcome.Type = "suspended"
	case failed:
		e = agEvent{Type: "SUBAGENT_ERROR", HelperID: string(path), Message: "The helper came to no end."}
	case finished:
	}
	return a.send(e)
}

// endHelpers ends all open sub-agents, the innermost first.
func (a *agWriter) endHelpers(pause bool) error {
	how := failed
	if pause {
		how = paused
	}
	for _, path := range slices.Backward(a.begun) {
		if err := a.endHelper(path, how); err != nil {
			return err
		}
	}
	return nil
}
