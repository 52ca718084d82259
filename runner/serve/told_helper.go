package serve

import "github.com/seed-916e8f6a/toolloop/runner/event"

// A helping is the knowledge of a page about the run of a helper.
type helping struct {
	run, turn int
	agent     string
	answer    string // not told yet, because a check may change it
}

// addNested tells an event in the run of a helper: texts turn by turn, and calls, which can
// wait for a person.
func (t *teller) addNested(e event.Event) {
	if t.helpers == nil {
		t.helpers = map[event.CallRef]*helping{}
	}
	h := t.helpers[e.Path]
	if h == nil {
		h = new(helping)
		t.helpers[e.Path] = h
	}
	t.settleHelper(e.Path, h, e.Body)
	t.helper = h.agent
	defer func() { t.helper = "" }()
	switch b := e.Body.(type) {
	case event.RunStarted:
		h.run, h.agent = b.Run, b.Agent
	case event.TurnPrepared:
		h.agent = b.Agent
	case event.ModelAnswered:
		h.turn, h.answer = b.Turn, b.Message.Text()+b.Message.Refusal()
		calls := b.Message.Calls()
		if len(calls) > 0 { // a text beside calls is no final answer, which a check could withdraw
			t.tellHelper(e.Path, h)
		}
		for i, c := range calls {
			t.wholeCall(event.NewCallRef(h.run, b.Turn, i).Under(e.Path), c.Name, c.Arguments, false)
		}
	case event.RunFinished:
		t.tellNow(piece{kind: aHelperEnd, id: string(e.Path), end: finished})
	case event.RunFailed:
		t.tellNow(piece{kind: aHelperEnd, id: string(e.Path), end: failed})
	case event.CallDelta, event.ToolProgress: // the call of the helper stands for them
	case event.ToolCallStarted, event.ApprovalAsked, event.ApprovalDecided, event.ToolCallDeferred, event.ToolCallFinished:
		t.addCall(e)
	}
}

// settleHelper tells a held answer of a helper, or changes it by a check.
func (t *teller) settleHelper(path event.CallRef, h *helping, b event.Body) {
	switch b := b.(type) {
	case event.OutputRejected:
		h.answer = ""
	case event.Checked:
		switch {
		case b.Stage != "output" || b.Verdict == "pass":
		case b.Verdict == "replace":
			h.answer = b.Text
		default:
			h.answer = ""
		}
	default:
		t.tellHelper(path, h)
	}
}

// tellHelper tells the answer of a helper's turn.
func (t *teller) tellHelper(path event.CallRef, h *helping) {
	text := clip(h.answer, maxResult)
	if h.answer = ""; text == "" {
		return
	}
	t.helper = h.agent
	t.tellNow(piece{kind: aHelperText, id: turnOf(string(event.NewCallRef(h.run, h.turn, 0).Under(path))), name: string(path), text: text})
	t.helper = ""
}
