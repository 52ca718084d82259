package openai

import (
	"cmp"
	"slices"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// An answer collects one answer of a model from one document or from the chunks
// of a stream. Both use the same code, so that both produce equal Responses.
type answer struct {
	emit  func(llm.Delta) error
	round int // counts messages and deltas
	proof proof

	id, model      string
	seen           bool   // a choice came
	index          string // of the first choice, the only choice that counts
	finish, native string
	usage          tally
	logProbs       gathered
	extra          gathered // members of the document and of the choice
	deltas         bool     // a delta had content
	fallback       []byte   // a whole message that came with the deltas
	compared       int      // bytes that messages were compared with
	beside         []byte   // the last event before the first choice

	reasoning  []run
	content    []run
	keyed      map[string]int // index or id of content: the latest run
	half       half           // of the content
	thinking   half           // of the content's thinking
	refusal    growingText
	audio      llm.Audio
	sound      string // audio: base64 text that does not yet fill a group of four letters
	transcript growingText
	calls      calls
	hosted     hosted     // calls that the provider has run
	called     []llm.Part // the calls at the end of the answer
	members    gathered   // of the message
}

// A run is consecutive text of one kind.
type run struct {
	field string // reasoning: the name of the member
	think bool   // content: a thinking part
	raw   string // content: a part of an unknown kind, without text
	round int    // the round of the last change
	growingText
	extra []llm.Member
}

// A growingText is text in pieces. The two halves of a surrogate pair can be in
// two pieces.
type growingText struct {
	text []byte
	half half
}

// add appends the JSON string and returns the new text.
func (g *growingText) add(raw []byte) string {
	text := g.half.text(raw)
	g.text = append(g.text, text...)
	return text
}

// end appends the replacement for half a surrogate pair without its second
// half, and returns the replacement.
func (g *growingText) end() string {
	rest := g.half.rest()
	g.text = append(g.text, rest...)
	return rest
}

// thoughtFields are the members for visible thinking, the most common first.
var thoughtFields = [...]string{"reasoning_content", "reasoning", "reasoning_text"}

// textual are members of a delta whose strings are pieces of one text. Strings
// of other unmodelled members repeat or replace each other.
var textual = []string{"thinking", "thinking_content", "thought", "reasoning_summary", "reasoning_signature", "signature"}

func newAnswer(tools []llm.ToolDef, emit func(llm.Delta) error) *answer {
	declared := make(map[string]bool, len(tools))
	for _, t := range tools {
		declared[t.Name] = true
	}
	return &answer{calls: calls{declared: declared}, emit: emit}
}

// document reads a whole answer, or one chunk of an answer.
func (a *answer) document(data []byte, whole bool) error {
	for name, v := range rawjson.Members(data) {
		switch name {
		case "id":
			a.id = cmp.Or(a.id, rawjson.Scalar(v))
		case "model":
			a.model = cmp.Or(a.model, rawjson.Text(v))
		case "object", "created", "obfuscation", "error":
		case "usage":
			a.proof.counts(a.usage.see(v))
		case "choices":
			if err := a.choices(v, whole); err != nil {
				return err
			}
		case "x_groq":
			a.proof.counts(a.usage.see(rawjson.Member(v, "usage")))
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

// choices reads the choice that counts. In one list, only the first choice with
// its index counts.
func (a *answer) choices(list []byte, whole bool) error {
	for c := range rawjson.Elements(list) {
		index := cmp.Or(rawjson.Scalar(rawjson.Member(c, "index")), "0")
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
	for name, v := range rawjson.Members(data) {
		switch name {
		case "index", "text", "seed", "error":
		case "message":
			message = v
		case "delta":
			delta = v
		case "finish_reason":
			finish = rawjson.Text(v)
		case "native_finish_reason":
			native = rawjson.Text(v)
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
	a.finish, a.native = cmp.Or(finish, a.finish), cmp.Or(native, a.native)
	a.proof.finishes(finish != "" || native != "")
	return nil
}

// choose reads the message of a whole answer and the delta of a chunk, or the
// other member if the expected member is missing. A message next to a delta
// with content may be the whole answer so far and is kept until the end.
func (a *answer) choose(message, delta []byte, whole bool) error {
	switch {
	case whole && rawjson.Kind(message) == '{':
		return a.message(message, true)
	case whole || rawjson.Kind(message) != '{':
		return a.piece(delta, whole)
	case rawjson.Kind(delta) != '{':
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

// settle ends the answer, which is known to be complete.
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

// halves ends all texts that wait for the second half of a surrogate pair.
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

// silent reports whether the answer has no content.
func (a *answer) silent() bool {
	return len(a.content)+len(a.reasoning)+len(a.calls.slots)+len(a.hosted.calls)+len(a.refusal.text) == 0
}

// message reads a message or a delta.
func (a *answer) message(data []byte, whole bool) error {
	var content, list, function []byte
	var thoughts [len(thoughtFields)][]byte
	a.round++
	for name, v := range rawjson.Members(data) {
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
			if i := slices.Index(thoughtFields[:], name); i >= 0 && rawjson.Kind(v) == '"' {
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

// think reads the first member with text: some providers send the same text
// under two names.
func (a *answer) think(thoughts [len(thoughtFields)][]byte) error {
	for i, raw := range thoughts {
		if rawjson.IsEmpty(raw) {
			continue
		}
		text := a.thought(thoughtFields[i]).add(raw)
		if text == "" {
			return nil // half a surrogate pair
		}
		a.proof.thought()
		return a.emit(llm.ReasoningDelta{Text: text})
	}
	return nil
}

// thought returns the reasoning text of the field and starts a new text if
// needed.
func (a *answer) thought(field string) *growingText {
	at := slices.IndexFunc(a.reasoning, func(r run) bool { return r.field == field })
	if at < 0 {
		at = len(a.reasoning)
		a.reasoning = append(a.reasoning, run{field: field})
	}
	return &a.reasoning[at].growingText
}

func (a *answer) refuse(raw []byte) {
	if rawjson.IsEmpty(raw) || rawjson.Kind(raw) != '"' {
		return
	}
	a.proof.answer(false)
	a.refusal.add(raw)
}

// formerIndex is the index of the call in the old function_call form, which has
// a single call without an id.
const formerIndex = "function_call"

func (a *answer) addCalls(list, function []byte, whole bool) error {
	a.calls.round++
	n := 0
	for c := range rawjson.Elements(list) {
		if n++; n > mostCalls { // also counts pieces without content
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
	if rawjson.Kind(function) != '{' {
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

// addLogProbs appends the lists of a later chunk to the lists of earlier
// chunks.
func (a *answer) addLogProbs(data []byte) {
	for name, v := range rawjson.Members(data) {
		a.logProbs.appended(name, v)
	}
}

// response returns the collected answer.
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

// ending maps the finish reason to llm.Finish. Without a reason, the calls
// decide, because the answer is known to be complete.
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

// parts returns the parts in a fixed order, whatever their order of arrival.
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
