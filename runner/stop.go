package runner

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// stop ends the run if the results of a turn are its answer, or if StopWhen says so. action
// is what the run does otherwise. The decision to go on is recorded by that action, so stop
// asks once after each turn, and again after a crash between the results and the action.
func (e *engine) stop(ctx context.Context, action loop.Action) (stopped bool, err error) {
	switch action.(type) {
	case loop.Prepare, loop.StopAtLimit, loop.Nudge, loop.Compact, loop.HandOff: // after results, these come next
	default:
		return false, nil
	}
	s := e.recorder.snapshot()
	if !s.Stoppable() {
		return false, nil
	}
	b := event.RunFinished{Run: s.Run, Turns: s.Turn, Usage: s.Usage, Stopped: true}
	text, answered := e.finalResult(s.Messages)
	switch {
	case answered:
		b.Text, b.Output = answerOf(text)
	case e.runner.StopWhen == nil || s.GoesOn():
		return false, nil
	default:
		info := e.info(&s, s.Turn)
		stopped, err = safely(ctx, e.logger, "StopWhen", func(context.Context) (bool, error) { return e.runner.StopWhen(info), nil })
		if err != nil || !stopped {
			return false, err
		}
	}
	e.logger.Info("run stopped", "turns", s.Turn, "answer", answered)
	return e.recorder.finish(&e.limits, b)
}

// finalResult returns the text of the last successful result of a tool with tool.Final in
// the last turn of a history.
func (e *engine) finalResult(messages []llm.Message) (text string, ok bool) {
	if !e.offer.final {
		return "", false
	}
	for i := len(messages) - 1; i >= 0 && messages[i].Role == llm.RoleTool; i-- {
		for _, r := range messages[i].Results() {
			if !r.IsError && e.offer.tools[r.Name].Final() {
				return r.Text(), true
			}
		}
	}
	return "", false
}

// answerOf returns the text of a result as the answer of a run: as JSON, if it is JSON.
func answerOf(text string) (string, json.RawMessage) {
	var b bytes.Buffer
	if json.Compact(&b, []byte(text)) != nil {
		return text, nil
	}
	return "", b.Bytes()
}
