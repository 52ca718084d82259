package openai

import (
	"slices"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// An answer collects one answer of a model: from one document, or from the
// chunks of a stream. Both ways lead through the same code, so that they end in
// equal Responses.
type answer struct {
	emit  func(llm.Delta) error
	round int // of messages and deltas
	proof proof

	id, model      string
	seen           bool   // a choice came
	index          string // of the first choice to come, which is the one that counts
	finish, native string
	usage          tally
	logProbs       gathered
	extra          gathered // of the document and of its choice
	deltas         bool     // a delta said something
	fallback       []byte   // a whole message beside the deltas
	compared       int      // bytes that messages were compared with
	beside         []byte   // the last event before a choice came

	reasoning  []run
	content    []run
	keyed      map[string]int // the latest run of an index or id of the content
	half       half           // of the content
	thinking   half           // of the content's thinking
	refusal    growingText
	audio      llm.Audio
	sound      string // of the audio: what is left until a group of four letters is whole
	transcript growingText
	calls      calls
	hosted     hosted     // the calls that the provider has run
	called     []llm.Part // what they amount to, in the end
	members    gathered   // of the message
}

// A run is text of one kind that goes on.
type run struct {
	field string // reasoning: the member that it came in
	think bool   // content: a thinking part
	raw   string // content: a part of an unknown kind; there is no text then
	round int    // that it was touched in last
	growingText
	extra []llm.Member
}

// A growingText is text that comes in pieces, and in which the two halves of a
// character can be in two of them.
type growingText struct {
	text []byte
	half half
}

// add appends the JSON string and returns what is new.
func (g *growingText) add(raw []byte) string {
	text := g.half.text(raw)
	g.text = append(g.text, text...)
	return text
}

// end appends what stands for a half that stayed alone, and returns it.
func (g *growingText) end() string {
	rest := g.half.rest()
	g.text = append(g.text, rest...)
	return rest
}

// thoughtFields are the members that visible thinking comes in, the likeliest first.
var thoughtFields = [...]string{"reasoning_content", "reasoning", "reasoning_text"}

// textual are members of a delta whose strings are pieces of one text. Other
// strings that nobody modelled repeat or replace each other.
var textual = []string{"thinking", "thinking_content", "thought", "reasoning_summary", "reasoning_signature", "signature"}

func newAnswer(tools []llm.ToolDef, emit func(llm.Delta) error) *answer {
	declared := make(map[string]bool, len(tools))
	for _, t := range tools {
		declared[t.Name] = true
	}
	return &answer{calls: calls{declared: declared}, emit: emit}
}

// document takes a whole answer, or one chunk of it.
func (a *answer) document(data []byte, whole bool) error {
	for name, v := range members(data) {
		switch name {
		case "id":
			a.id = cmpOr(a.id, scalar(v))
		case "model":
			a.model = cmpOr(a.model, str(v))
		case "object", "created", "obfuscation", "error":
		case "usage":
			a.proof.counts(a.usage.see(v))
		case "choices":
			if err := a.choices(v, whole); err != nil {
				return err
			}
		case "x_groq":
			a.proof.counts(a.usage.see(member(v, "usage")))
			a.extra.update(name, v)
		default:
			a.extra.update(name, v)
		}
	}
	if a.extra.over || a.members.over || a.logProbs.over {
		return errTooMany
	}
	return nil
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// choices takes the choice that counts. Within one list only the first of its
// index does.
func (a *answer) choices(list []byte, whole bool) error {
	for c := range elements(list) {
		index := cmpOr(scalar(member(c, "index")), "0")
		if !a.seen {
			a.seen, a.index = true, index
		}
		if whole || index == a.index {
			return a.choice(c, whole)
		}
	}
	return nil
}

func (a *answer) choice(data []byte, whole bool) error {
	var message, delta []byte
	var finish, native string
	for name, v := range members(data) {
		switch name {
		case "index", "text", "seed", "error":
		case "message":
			message = v
		case "delta":
			delta = v
		case "finish_reason":
			finish = str(v)
		case "native_finish_reason":
			native = str(v)
		case "usage":
			a.proof.counts(a.usage.see(v))
		case "logprobs":
			a.addLogProbs(v)
		default:
			a.extra.update(name, v)
		}
	}
	if err := a.choose(message, delta, whole); err != nil {
		return err
	}
	a.finish, a.native = cmpOr(finish, a.finish), cmpOr(native, a.native)
	a.proof.finishes(finish != "" || native != "")
	return nil
}

// choose takes the message of a whole answer and the delta of a chunk, and the
// other one where the right one is missing. A message beside a delta that says
// something may be all of the answer so far: it waits for the end.
func (a *answer) choose(message, delta []byte, whole bool) error {
	switch {
	case whole && kind(message) == '{':
		return a.message(message, true)
	case whole || kind(message) != '{':
		return a.piece(delta, whole)
	case kind(delta) != '{':
		return a.copied(message)
	}
	said := a.proof.said
	if err := a.piece(delta, false); err != nil {
		return err
	}
	if said == a.proof.said && !a.silent() {
		return a.copied(message)
	}
	a.fallback = append(a.fallback[:0], message...)
	return nil
}

func (a *answer) piece(delta []byte, whole bool) error {
	said := a.proof.said
	err := a.message(delta, whole)
	a.deltas = a.deltas || a.proof.said > said
	return err
}

// settle ends the answer, which is known to be whole.
func (a *answer) settle() error {
	if len(a.fallback) > 0 {
		if err := a.fill(a.fallback); err != nil {
			return err
		}
	}
	if err := a.halves(); err != nil {
		return err
	}
	var repairs []string
	a.called, repairs = a.calls.settle()
	for _, text := range repairs {
		if err := a.emit(llm.Notice{Text: text}); err != nil {
			return err
		}
	}
	return nil
}

// halves ends what waits for the other half of a character.
func (a *answer) halves() error {
	a.refusal.end()
	a.transcript.end()
	for i := range a.reasoning {
		if rest := a.reasoning[i].end(); rest != "" {
			if err := a.emit(llm.ReasoningDelta{Text: rest}); err != nil {
				return err
			}
		}
	}
	if err := a.say(run{think: true}, a.thinking.rest()); err != nil {
		return err
	}
	if err := a.say(run{}, a.half.rest()); err != nil {
		return err
	}
	return a.calls.halves(a.emit)
}

// silent reports whether nothing was said.
func (a *answer) silent() bool {
	return len(a.content)+len(a.reasoning)+len(a.calls.slots)+len(a.hosted.calls)+len(a.refusal.text) == 0
}

// message takes a message or a delta of one.
func (a *answer) message(data []byte, whole bool) error {
	var content, list, function []byte
	var thoughts [len(thoughtFields)][]byte
	a.round++
	for name, v := range members(data) {
		switch name {
		case "role":
		case "content":
			content = v
		case "refusal":
			a.refuse(v)
		case "audio":
			a.addAudio(v)
		case "tool_calls":
			list = v
		case "function_call":
			function = v
		default:
			if i := slices.Index(thoughtFields[:], name); i >= 0 && kind(v) == '"' {
				thoughts[i] = v
				continue
			}
			a.members.piece(name, v)
		}
	}
	if err := a.think(thoughts); err != nil {
		return err
	}
	if err := a.addContent(content); err != nil {
		return err
	}
	return a.addCalls(list, function, whole)
}

// think takes the first that says something: some providers send the same text
// under two names.
func (a *answer) think(thoughts [len(thoughtFields)][]byte) error {
	for i, raw := range thoughts {
		if isEmpty(raw) {
			continue
		}
		text := a.thought(thoughtFields[i]).add(raw)
		if text == "" {
			return nil // half of a character
		}
		a.proof.thought()
		return a.emit(llm.ReasoningDelta{Text: text})
	}
	return nil
}

// thought returns the reasoning that comes in the field, which may be new.
func (a *answer) thought(field string) *growingText {
	at := slices.IndexFunc(a.reasoning, func(r run) bool { return r.field == field })
	if at < 0 {
		at = len(a.reasoning)
		a.reasoning = append(a.reasoning, run{field: field})
	}
	return &a.reasoning[at].growingText
}

func (a *answer) refuse(raw []byte) {
	if isEmpty(raw) || kind(raw) != '"' {
		return
	}
	a.proof.answer(false)
	a.refusal.add(raw)
}

// formerIndex is the index of the call in the form before tools: there is only one,
// and it has no id.
const formerIndex = "function_call"

func (a *answer) addCalls(list, function []byte, whole bool) error {
	a.calls.round++
	n := 0
	for c := range elements(list) {
		if n++; n > mostCalls { // also of those that say nothing
			return errTooMany
		}
		p := readPiece(c)
		if a.hosted.owns(p, a.calls.declared) {
			if !a.hosted.add(p, c, whole) {
				return errTooMany
			}
			a.proof.answer(false)
			continue
		}
		a.hosted.leave(p.index)
		if err := a.addCall(p, whole); err != nil {
			return err
		}
	}
	if kind(function) != '{' {
		return nil
	}
	p := piece{index: formerIndex}
	p.function(function)
	return a.addCall(p, whole)
}

func (a *answer) addCall(p piece, whole bool) error {
	d := a.calls.add(p, whole)
	if len(a.calls.slots) > mostCalls || p.over || a.calls.over {
		return errTooMany
	}
	if d.ID+d.Name+d.Arguments == "" {
		return nil
	}
	a.proof.answer(true)
	return a.emit(d)
}

// addLogProbs appends the lists of a later chunk to those of the earlier ones.
func (a *answer) addLogProbs(data []byte) {
	for name, v := range members(data) {
		a.logProbs.appended(name, v)
	}
}

// response returns what was collected.
func (a *answer) response() *llm.Response {
	return &llm.Response{
		ID:       a.id,
		Model:    a.model,
		Message:  llm.Message{Role: llm.RoleAssistant, Parts: a.parts(), Extra: append(a.members.members(), a.hosted.extra()...)},
		Finish:   a.ending(),
		Usage:    a.usage.usage,
		RawUsage: a.usage.raw,
		LogProbs: a.logProbs.object(),
		Extra:    a.extra.members(),
	}
}

// ending unifies the reason. Where there is none, the calls tell it: the answer
// is known to be whole.
func (a *answer) ending() llm.Finish {
	f := llm.FinishOf(a.finish, a.native)
	switch {
	case f.Reason != "":
	case len(a.called) > 0:
		f.Reason = llm.FinishToolCalls
	default:
		f.Reason = llm.FinishStop
	}
	return f
}

// parts puts the parts in one order, whatever order they came in.
func (a *answer) parts() llm.Parts {
	var parts llm.Parts
	for _, r := range a.reasoning {
		parts = append(parts, llm.Reasoning{Text: string(r.text), Field: r.field})
	}
	for _, r := range a.content {
		switch {
		case r.raw != "":
			parts = append(parts, llm.RawPart{JSON: r.raw})
		case r.think:
			parts = append(parts, llm.Reasoning{Text: string(r.text), Extra: r.extra})
		default:
			parts = append(parts, llm.Text{Text: string(r.text), Extra: r.extra})
		}
	}
	if len(a.refusal.text) > 0 {
		parts = append(parts, llm.Refusal{Text: string(a.refusal.text)})
	}
	if a.audio.ID != "" || len(a.audio.Data)+len(a.transcript.text) > 0 {
		audio := a.audio
		audio.Transcript = string(a.transcript.text)
		parts = append(parts, audio)
	}
	return append(parts, a.called...)
}
