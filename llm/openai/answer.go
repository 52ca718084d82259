package openai

import (
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// An answer collects one answer of a model: from one document, or from the
// chunks of a stream. Both ways lead through the same code, so that they end in
// equal Responses.
type answer struct {
	emit func(llm.Delta) error
	said int // pieces of the answer so far

	id, model      string
	seen           bool   // a choice came
	index          string // of the first choice to come, which is the one that counts
	finish, native string
	usage          tally
	logProbs       gathered
	extra          gathered // of the document and of its choice
	fallback       []byte   // a whole message beside the deltas
	beside         []byte   // the last event before a choice came

	reasoning  []run
	content    []run
	half       half // of the content
	refusal    strings.Builder
	audio      llm.Audio
	transcript []byte // of the audio
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
	text  []byte
	extra []llm.Member
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
	a := &answer{calls: calls{declared: declared}}
	a.emit = func(d llm.Delta) error {
		if _, notice := d.(llm.Notice); !notice {
			a.said++
		}
		return emit(d)
	}
	return a
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
			a.usage.see(v)
		case "choices":
			if err := a.choices(v, whole); err != nil {
				return err
			}
		case "x_groq":
			a.usage.see(member(v, "usage"))
			a.extra.last(name, v)
		default:
			a.extra.last(name, v)
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
			a.usage.see(v)
		case "logprobs":
			a.addLogProbs(v)
		default:
			a.extra.last(name, v)
		}
	}
	if err := a.choose(message, delta, whole); err != nil {
		return err
	}
	a.finish, a.native = cmpOr(finish, a.finish), cmpOr(native, a.native)
	return nil
}

// choose takes the message of a whole answer and the delta of a chunk, and the
// other one where the right one is missing. A message beside a delta repeats
// all that came before; it counts only if there was nothing else.
func (a *answer) choose(message, delta []byte, whole bool) error {
	if kind(delta) != '{' || whole && kind(message) == '{' {
		return a.message(message, whole)
	}
	if kind(message) == '{' {
		a.fallback = append(a.fallback[:0], message...)
	}
	return a.message(delta, whole)
}

// settle ends the answer, which is known to be whole.
func (a *answer) settle() error {
	if err := a.say(run{}, a.half.rest()); err != nil {
		return err
	}
	if err := a.calls.halves(a.emit); err != nil {
		return err
	}
	if len(a.fallback) > 0 && a.silent() {
		if err := a.message(a.fallback, true); err != nil {
			return err
		}
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

// silent reports whether nothing was said.
func (a *answer) silent() bool {
	return len(a.content)+len(a.reasoning)+len(a.calls.slots)+len(a.hosted.calls)+a.refusal.Len() == 0
}

// message takes a message or a delta of one.
func (a *answer) message(data []byte, whole bool) error {
	var content, list, function []byte
	var thoughts [len(thoughtFields)]string
	for name, v := range members(data) {
		switch name {
		case "role":
		case "content":
			content = v
		case "refusal":
			a.refusal.WriteString(str(v))
		case "audio":
			a.addAudio(v)
		case "tool_calls":
			list = v
		case "function_call":
			function = v
		default:
			if i := slices.Index(thoughtFields[:], name); i >= 0 && kind(v) == '"' {
				thoughts[i] = str(v)
				continue
			}
			a.members.appended(name, v, slices.Contains(textual, name))
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
func (a *answer) think(thoughts [len(thoughtFields)]string) error {
	for i, text := range thoughts {
		if text == "" {
			continue
		}
		field := thoughtFields[i]
		at := slices.IndexFunc(a.reasoning, func(r run) bool { return r.field == field })
		if at < 0 {
			at = len(a.reasoning)
			a.reasoning = append(a.reasoning, run{field: field})
		}
		a.reasoning[at].text = append(a.reasoning[at].text, text...)
		return a.emit(llm.ReasoningDelta{Text: text})
	}
	return nil
}

func (a *answer) addCalls(list, function []byte, whole bool) error {
	a.calls.round++
	for c := range elements(list) {
		p := readPiece(c)
		if a.hosted.owns(p, a.calls.declared) {
			if !a.hosted.add(p, c, whole) {
				return errTooMany
			}
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
	p := piece{index: "function_call"} // the form before tools: one call, without an id
	p.function(function)
	return a.addCall(p, whole)
}

func (a *answer) addCall(p piece, whole bool) error {
	d := a.calls.add(p, whole)
	if len(a.calls.slots) > mostCalls || p.over || a.calls.over {
		return errTooMany
	}
	if d.ID+d.Name+d.Arguments != "" {
		return a.emit(d)
	}
	return nil
}

// addLogProbs appends the lists of a later chunk to those of the earlier ones.
func (a *answer) addLogProbs(data []byte) {
	for name, v := range members(data) {
		a.logProbs.appended(name, v, false)
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
	if a.refusal.Len() > 0 {
		parts = append(parts, llm.Refusal{Text: a.refusal.String()})
	}
	if a.audio.ID != "" || len(a.audio.Data)+len(a.transcript) > 0 {
		audio := a.audio
		audio.Transcript = string(a.transcript)
		parts = append(parts, audio)
	}
	return append(parts, a.called...)
}
