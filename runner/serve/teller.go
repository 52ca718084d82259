package serve

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A teller tells the events of a session as pieces. The pieces are whole: each text and
// turn that begins also ends, each call is announced before the result, and a text is told
// once, by deltas or whole. The events are public, and come in order.
type teller struct {
	tell func(piece)

	message string // the id of the assistant's message; empty before the first run
	last    ending // of the last run
	ended   bool   // no run is going on

	started int64   // a RunStarted whose message is not known yet; 0: none
	held    []piece // told since then
	waiting []piece // messages of the user that wait for the next run

	run, turn int
	helpers   map[event.CallRef]*helping
	helper    string // the agent whose event is told; empty for the outermost run
	step      bool
	expected  bool                      // the step began before its TurnPrepared
	wrote     bool                      // a text of the turn
	whole     bool                      // the turn has its answer
	steps     int                       // counts the turns of the message
	texts     int                       // counts the texts of the message
	open      piece                     // the open text or reasoning; id is empty if none is open
	shown     map[kind]*strings.Builder // what was told of the answer of the turn
	live      map[kind]int              // bytes of the answer of the turn that came as deltas
	kept      map[kind]string           // what is recorded of the answer of the turn; nil: nothing
	answer    string                    // the rest of an answer that a check may still change
	files     []piece                   // those of this answer, told before its text
	calls     map[event.CallRef]*call
	order     []event.CallRef
}

// A call is the knowledge of a page about a call.
type call struct {
	name, arguments string
	announced       bool
	whole           bool // the arguments are whole
	asked           bool // and not decided
	deferred        bool // its result comes from outside
	done            bool
	question        int64  // the Seq of the last ApprovalAsked
	began           int64  // the Seq of the last ToolCallStarted
	reason          string // of a denial
}

// add tells an event.
func (t *teller) add(e event.Event) {
	if e.Path != "" {
		t.addNested(e)
		return
	}
	t.settleRun(e.Body)
	t.settleAnswer(e.Body)
	switch b := e.Body.(type) {
	case event.RunStarted:
		t.started, t.run = e.Seq, b.Run
	case event.UserMessaged:
		t.user(e.Seq, b)
	case event.TurnPrepared:
		if e.Seq > 0 {
			t.prepared(b)
		} else {
			t.expect()
		}
	case event.ModelAnswered:
		t.answered(b)
	case event.AnswerStreamed:
		t.streamed(b)
	case event.OutputRejected:
		t.withdraw()
	case event.Compacted:
		t.restart()
	case event.Checked:
		t.checked(b)
	case event.HandedOff:
		t.tellNow(piece{kind: aHandoff, name: b.To})
	case event.RunPaused:
		t.paused(b)
	case event.RunFinished:
		t.finished(b)
	case event.RunFailed:
		t.end(piece{end: failed, data: usageOf(b.Usage)})
	case event.Restarted:
		t.restart()
	case event.TextDelta:
		t.liveDelta(aText, b.Text)
	case event.ReasoningDelta:
		t.liveDelta(aThought, b.Text)
	default:
		t.addCall(e)
	}
}

// addCall tells the events of calls, also in the runs of helpers.
func (t *teller) addCall(e event.Event) {
	switch b := e.Body.(type) {
	case event.CallDelta:
		t.callDelta(b)
	case event.ToolCallStarted:
		c := t.call(b.Call)
		asked := c.question > c.began || c.began > 0
		c.asked, c.began = false, e.Seq
		t.wholeCall(b.Call, b.Name, b.Arguments, asked)
	case event.ApprovalAsked:
		t.wholeCall(b.Call, b.Name, b.Arguments, false)
		t.call(b.Call).asked = true
		t.call(b.Call).question = e.Seq
		t.tellNow(piece{kind: aQuestion, id: string(b.Call), name: b.Name, seq: e.Seq})
	case event.ApprovalDecided:
		t.call(b.Call).asked, t.call(b.Call).reason = false, b.Reason
		t.tellNow(piece{kind: anAnswer, id: string(b.Call), denied: !b.Approved, text: b.Reason})
	case event.ToolCallDeferred:
		t.call(b.Call).deferred = true
	case event.ToolCallFinished:
		t.result(b)
	case event.ToolProgress:
		if c := t.calls[b.Call]; c != nil && c.announced && !c.done {
			data, _ := json.Marshal(map[string]any{"toolCallId": b.Call, "done": b.Done, "total": b.Total, "message": b.Message})
			t.tellNow(piece{kind: aProgress, id: string(b.Call), data: data})
		}
	}
}

// tellNow tells a piece, or holds the piece until the message of the run is known.
func (t *teller) tellNow(p piece) {
	p.to, p.agent = t.message, t.helper
	if t.started > 0 {
		t.held = append(t.held, p)
		return
	}
	t.tell(p)
}

// settleRun decides whether a new run belongs to the message of the run before. The run does
// so if the user has said nothing new.
func (t *teller) settleRun(b event.Body) {
	if t.started == 0 {
		return
	}
	said := false
	switch b := b.(type) {
	case event.ToolCallFinished, event.ApprovalDecided, event.StandingRevoked, event.InDoubtDecided: // about the calls of the run before
		return
	case event.UserMessaged:
		said = !b.Said
	}
	fresh := said || t.message == "" || t.last == finished && len(t.waiting) > 0
	held, seq := t.held, t.started
	t.held, t.started, t.ended = nil, 0, false
	for _, p := range held {
		p.past = fresh
		t.tell(p)
	}
	if fresh {
		t.message, t.texts, t.steps, t.turn, t.calls, t.order = "m"+strconv.FormatInt(seq, 10), 0, 0, 0, nil, nil
		for _, p := range t.waiting {
			t.tellNow(p)
		}
		t.waiting = nil
	}
}

func (t *teller) user(seq int64, b event.UserMessaged) {
	if b.Message.Role != llm.RoleUser {
		return
	}
	p := piece{kind: aUser, id: idOf(seq, b.Key), parts: userParts(b.Message), text: b.Message.Text()}
	switch {
	case !b.Said:
		t.tellNow(p)
	case t.ended || t.message == "":
		t.waiting = append(t.waiting, p)
	default:
		t.tellNow(piece{kind: aSaid, id: p.id, text: p.text})
	}
}

// ownID reports whether an id has the form of our ids: m or u, and a number. The parts of an
// answer have such an id with an end, as in m1.2 and m1.s1.
func ownID(id string) bool {
	id, _, _ = strings.Cut(id, ".")
	return len(id) > 1 && (id[0] == 'm' || id[0] == 'u') && strings.Trim(id[1:], "0123456789") == ""
}

// keyPrefix begins the keys of messages from browsers.
const keyPrefix = "chat:"

// idOf returns the id of a message of the user, by choice the id of the browser.
func idOf(seq int64, key string) string {
	if id, ok := strings.CutPrefix(key, keyPrefix); ok && id != "" {
		return id
	}
	return "u" + strconv.FormatInt(seq, 10)
}

func userParts(m llm.Message) (out []userPart) {
	for _, p := range m.Parts {
		switch p := p.(type) {
		case llm.Text:
			out = append(out, userPart{text: p.Text})
		case llm.Image:
			out = append(out, userPart{url: imageURL(p), mediaType: imageType(p)})
		case llm.File:
			out = append(out, userPart{url: dataURL(p.MediaType, p.Data), mediaType: mediaType(p.MediaType), name: p.Name})
		}
	}
	return out
}

func (t *teller) prepared(b event.TurnPrepared) {
	if t.step && t.turn == b.Turn {
		if !t.expected { // prepared again after a crash
			t.restart()
		}
		t.expected = false
		return
	}
	t.expected = false
	t.closeStep()
	t.turn, t.step, t.shown, t.wrote, t.whole = b.Turn, true, nil, false, false
	t.live, t.kept = nil, nil
	t.steps++
	t.tellNow(piece{kind: aStep, seq: int64(t.steps)})
}

// expect begins the turn of a request whose TurnPrepared is not stored yet: deltas come.
func (t *teller) expect() {
	if !t.step || t.whole {
		t.prepared(event.TurnPrepared{Turn: t.turn + 1})
		t.expected = true
	}
}

func (t *teller) closeStep() {
	t.closeText()
	if t.step {
		t.step = false
		t.tellNow(piece{kind: aStepEnd})
	}
}

func (t *teller) closeText() {
	if t.open.id != "" {
		t.tellNow(piece{kind: aTextEnd, id: t.open.id, name: t.open.name})
		t.open = piece{}
	}
}

// streamed tells what is recorded of an unfinished answer and was not told by deltas: after a
// restart of the program, and to a page that is behind.
func (t *teller) streamed(b event.AnswerStreamed) {
	if b.Again || t.kept == nil {
		t.kept = map[kind]string{}
	}
	t.kept[aThought] += b.Reasoning
	t.kept[aText] += b.Text
	if !t.tells(aThought, t.kept[aThought]) && !t.keeps(aThought) || !t.tells(aText, t.kept[aText]) && !t.keeps(aText) {
		if len(t.live) > 0 { // Redact changed the texts in other ways
			return
		}
		t.restart()
	}
	for _, k := range []kind{aThought, aText} {
		if !t.keeps(k) {
			t.delta(k, t.rest(k, t.kept[k]))
		}
	}
}

// keeps reports whether the deltas so far begin with what is recorded.
func (t *teller) keeps(k kind) bool {
	return t.shown[k] != nil && strings.HasPrefix(t.shown[k].String(), t.kept[k])
}

// liveDelta tells a delta, without what is told already: deltas begin at the beginning of the
// answer.
func (t *teller) liveDelta(k kind, text string) {
	if t.live == nil {
		t.live = map[kind]int{}
	}
	told := 0
	if t.shown[k] != nil {
		told = t.shown[k].Len() - t.live[k]
	}
	t.live[k] += len(text)
	t.delta(k, text[min(max(told, 0), len(text)):])
}

// delta tells more of an unfinished text of the model.
func (t *teller) delta(k kind, text string) {
	if text == "" || !t.step {
		return
	}
	if t.shown == nil {
		t.shown = map[kind]*strings.Builder{}
	}
	if t.shown[k] == nil {
		t.shown[k] = new(strings.Builder)
	}
	t.shown[k].WriteString(text)
	t.write(k, text)
}

// maxDelta bounds a piece of text, in bytes.
const maxDelta = 256 << 10

// write tells a text, in the open text if the kinds are the same.
func (t *teller) write(k kind, text string) {
	if text == "" {
		return
	}
	if t.open.id == "" || t.open.kind != k {
		t.closeText()
		t.texts++
		t.open = piece{kind: k, id: t.textID(t.texts), name: map[kind]string{aThought: "reasoning"}[k]}
	}
	t.wrote = true
	for len(text) > 0 {
		n := cutAt(text, maxDelta)
		t.tellNow(piece{kind: k, id: t.open.id, text: text[:n], begun: t.open.begun})
		t.open.begun = true
		text = text[n:]
	}
}

func (t *teller) textID(n int) string { return fmt.Sprintf("%s.%d", t.message, n) }

// restart withdraws the deltas of an answer when the answer begins anew.
func (t *teller) restart() {
	if !t.whole {
		t.withdraw()
	}
}

// withdraw withdraws all texts of the answer of the turn.
func (t *teller) withdraw() {
	t.answer, t.files = "", nil
	told := t.wrote
	t.closeText()
	for _, ref := range t.order {
		if c := t.calls[ref]; c.announced && !c.whole {
			told = true
			t.tellNow(piece{kind: aCallLost, id: string(ref), name: c.name})
			c.announced, c.arguments = false, ""
		}
	}
	t.live = nil
	if told {
		t.shown, t.wrote = nil, false
		t.tellNow(piece{kind: aRestart})
	}
}

// answered tells the rest of an answer, behind the deltas.
func (t *teller) answered(b event.ModelAnswered) {
	m := b.Message
	thought, text := m.Reasoning(), m.Text()+m.Refusal()
	if !t.tells(aThought, thought) || !t.tells(aText, text) {
		t.withdraw()
	}
	t.whole, t.kept = true, nil
	t.write(aThought, t.rest(aThought, thought))
	for _, p := range m.Parts {
		if i, ok := p.(llm.Image); ok && imageURL(i) != "" {
			t.files = append(t.files, piece{kind: aFile, text: imageURL(i), name: imageType(i)})
		}
	}
	t.answer = t.rest(aText, text)
	if t.answer == "" {
		t.closeText()
	}
	calls := m.Calls()
	if len(calls) > 0 { // a text beside calls is no final answer, which a check could withdraw
		t.tellAnswer()
	}
	for i, c := range calls {
		t.wholeCall(event.NewCallRef(t.run, b.Turn, i), c.Name, c.Arguments, false)
	}
	for _, ref := range t.order {
		if c := t.calls[ref]; c.announced && !c.whole && ref.Path() == "" {
			t.tellNow(piece{kind: aCallLost, id: string(ref), name: c.name})
			c.announced = false
		}
	}
}

// tells reports whether the deltas so far are the beginning of a text.
func (t *teller) tells(k kind, whole string) bool {
	return t.shown[k] == nil || strings.HasPrefix(whole, t.shown[k].String())
}

// rest returns the rest of a text, behind the deltas.
func (t *teller) rest(k kind, whole string) string {
	if t.shown[k] == nil {
		return whole
	}
	return whole[t.shown[k].Len():]
}

// settleAnswer tells a held answer, unless the event is about a check of the answer.
func (t *teller) settleAnswer(b event.Body) {
	switch b := b.(type) {
	case event.OutputRejected: // withdraws the answer
		return
	case event.Checked:
		if b.Stage == "output" {
			return
		}
	}
	t.tellAnswer()
}

func (t *teller) tellAnswer() {
	text, files := t.answer, t.files
	t.answer, t.files = "", nil
	for _, f := range files {
		t.closeText()
		t.tellNow(f)
	}
	if text != "" {
		t.write(aText, text)
	}
	if t.open.id != "" && text != "" {
		t.closeText()
	}
}

// checked changes or withdraws an answer.
func (t *teller) checked(b event.Checked) {
	if b.Stage != "output" || b.Verdict == "pass" {
		return
	}
	t.withdraw()
	if b.Verdict == "replace" {
		t.answer = b.Text
	}
}
