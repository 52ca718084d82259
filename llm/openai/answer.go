package openai

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// An answer collects one answer of a model: from one document, or from the
// chunks of a stream. Both ways lead through the same code, so that they end in
// equal Responses.
type answer struct {
	emit func(llm.Delta) error

	id, model      string
	seen           bool   // a choice came
	index          string // of the first choice to come, which is the one that counts
	finish, native string
	usage          tally
	logProbs       gathered
	extra          gathered // of the document and of its choice
	fallback       []byte   // a whole message beside the deltas

	reasoning  []run
	content    []run
	half       half // of the content
	refusal    strings.Builder
	audio      llm.Audio
	transcript []byte // of the audio
	calls      calls
	members    gathered // of the message
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
	return &answer{emit: emit, calls: calls{declared: declared}}
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

// settle ends the answer.
func (a *answer) settle() error {
	if err := a.say(run{}, a.half.rest()); err != nil {
		return err
	}
	for _, s := range a.calls.slots {
		if rest := s.half.rest(); rest != "" {
			s.fragments = append(s.fragments, rest)
			if err := a.emit(llm.CallDelta{Index: s.position, Arguments: rest}); err != nil {
				return err
			}
		}
	}
	if len(a.fallback) == 0 || !a.silent() {
		return nil
	}
	return a.message(a.fallback, true)
}

// silent reports whether nothing was said.
func (a *answer) silent() bool {
	return len(a.content)+len(a.reasoning)+len(a.calls.slots)+a.refusal.Len() == 0
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

// addContent takes a string or an array of parts. Any other value is the JSON
// that was asked for and that a provider did not put into a string.
func (a *answer) addContent(data []byte) error {
	switch kind(data) {
	case '"':
		return a.say(run{}, a.half.text(data))
	case 'n', 0:
		return nil
	case '[':
		for part := range elements(data) {
			if err := a.part(part); err != nil {
				return err
			}
		}
		return nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		return err // cannot be: data was found to be valid
	}
	return a.say(run{}, b.String())
}

// say appends text to the content: to the last run if that is of the same kind.
func (a *answer) say(r run, text string) error {
	if text == "" {
		return nil
	}
	last := len(a.content) - 1
	if last < 0 || a.content[last].raw != "" || a.content[last].think != r.think || len(a.content[last].extra)+len(r.extra) > 0 {
		a.content = append(a.content, r)
		last++
	}
	a.content[last].text = append(a.content[last].text, text...)
	if r.think {
		return a.emit(llm.ReasoningDelta{Text: text})
	}
	return a.emit(llm.TextDelta{Text: text})
}

func (a *answer) part(data []byte) error {
	if kind(data) == '"' {
		return a.say(run{}, str(data))
	}
	typ := str(member(data, "type"))
	switch typ {
	case "text", "output_text":
		return a.say(run{extra: others(data, "type", "text")}, str(member(data, "text")))
	case "thinking", "reasoning":
		return a.say(run{think: true, extra: others(data, "type", "text", typ)}, thinking(data, typ))
	case "refusal":
		a.refusal.WriteString(str(member(data, "refusal")))
		return nil
	}
	if kind(data) == '{' {
		a.content = append(a.content, run{raw: string(data)})
	}
	return nil
}

// thinking returns the text of a thinking part: a string, or a list of texts.
func thinking(data []byte, typ string) string {
	inner := member(data, typ)
	if kind(inner) != '[' {
		return cmpOr(str(inner), str(member(data, "text")))
	}
	var b strings.Builder
	for e := range elements(inner) {
		b.WriteString(cmpOr(str(e), str(member(e, "text"))))
	}
	return b.String()
}

// others returns the members that say something and are none of the known.
func others(data []byte, known ...string) (ms []llm.Member) {
	for name, v := range members(data) {
		if !slices.Contains(known, name) && !isEmpty(v) {
			ms = append(ms, llm.Member{Name: name, Value: string(v)})
		}
	}
	return ms
}

func (a *answer) addAudio(data []byte) {
	for name, v := range members(data) {
		switch name {
		case "id":
			a.audio.ID = cmpOr(a.audio.ID, str(v))
		case "format":
			a.audio.Format = cmpOr(a.audio.Format, str(v))
		case "transcript":
			a.transcript = append(a.transcript, str(v)...)
		case "data":
			sound, _ := base64.StdEncoding.DecodeString(str(v)) // what is readable of it
			a.audio.Data = append(a.audio.Data, sound...)
		}
	}
}

func (a *answer) addCalls(list, function []byte, whole bool) error {
	a.calls.round++
	for c := range elements(list) {
		if err := a.addCall(readPiece(c), whole); err != nil {
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
	if d := a.calls.add(p, whole); d.ID+d.Name+d.Arguments != "" {
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
		Message:  llm.Message{Role: llm.RoleAssistant, Parts: a.parts(), Extra: a.members.members()},
		Finish:   llm.FinishOf(a.finish, a.native),
		Usage:    a.usage.usage,
		RawUsage: a.usage.raw,
		LogProbs: a.logProbs.object(),
		Extra:    a.extra.members(),
	}
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
	return append(parts, a.calls.parts()...)
}
