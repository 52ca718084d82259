package openai

import (
	"cmp"
	"slices"

	"github.com/seed-916e8f6a/toolloop/internal/batched"
	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// A completion collects one answer of a model from one document or from the chunks
// of a stream. Both use the same code, so that both produce equal Responses.
type completion struct {
	emit    func(llm.Delta) error
	silent  bool          // emit takes notices only, so no delta needs to be made
	batches bool          // emit takes batches
	batch   batched.Batch // memory for a batch
	round   int           // counts messages and deltas
	stream  streamState

	id, model      string
	hasChoice      bool   // a choice came
	index          string // of the first choice, the only choice that counts
	finish, native string
	usage          usageTotal
	logProbs       memberSet
	extra          memberSet // members of the document and of the choice
	deltas         bool      // a delta had content
	lastMessage    []byte    // a whole message that came with the deltas
	compared       int       // bytes that messages were compared with
	beforeChoice   []byte    // the last event before the first choice

	reasoning  []segment
	content    []segment
	byLabel    map[string]int // index or id of content: the latest run
	half       surrogate      // of the content
	thinking   surrogate      // of the content's thinking
	refusal    growingText
	audio      llm.Audio
	audioRest  string // audio: base64 text that does not yet fill a group of four letters
	transcript growingText
	calls      calls
	hosted     hostedCalls // calls that the provider has run
	endCalls   llm.Parts   // the calls at the end of the answer
	members    memberSet   // of the message

	shape     *chunkShape // of a stream
	fragments textBlock   // fragments of arguments
}

// A segment is consecutive text of one kind.
type segment struct {
	field string // reasoning: the name of the member
	think bool   // content: a thinking part
	raw   string // content: a part of an unknown kind, without text
	round int    // the round of the last change
	text  growingText
	extra []llm.Member
}

// thinkingFields are the members for visible thinking, the most common first.
var thinkingFields = [...]string{"reasoning_content", "reasoning", "reasoning_text"}

// textMembers are members of a delta with strings that are pieces of one text. In all
// further unmodelled members, a later string replaces an earlier string.
var textMembers = []string{"thinking", "thinking_content", "thought", "reasoning_summary", "reasoning_signature", "signature"}

// document reads a whole answer, or one chunk of an answer.
func (a *completion) document(data []byte, whole bool) error {
	for name, v := range rawjson.RawMembers(data) {
		switch string(name) {
		case "id":
			if a.id == "" {
				a.id = rawjson.Scalar(v)
			}
		case "model":
			if a.model == "" {
				a.model = rawjson.Text(v)
			}
		case "object", "created", "obfuscation", "error":
		case "usage":
			a.stream.sawUsage(a.usage.update(v))
		case "choices":
			if err := a.choices(v, whole); err != nil {
				return err
			}
		case "x_groq":
			a.stream.sawUsage(a.usage.update(rawjson.Member(v, "usage")))
			a.extra.merge(a.extra.name(name), v)
		default:
			if !rawjson.IsEmpty(v) {
				a.extra.merge(a.extra.name(name), v)
			}
		}
	}
	if a.extra.tooMany || a.members.tooMany || a.logProbs.tooMany {
		return errTooMany
	}
	return nil
}

// choices reads the first choice and ignores all further choices. If one list repeats
// the index of the first choice, only the first element counts.
func (a *completion) choices(list []byte, whole bool) error {
	for c := range rawjson.Elements(list) {
		index := cmp.Or(rawjson.Scalar(rawjson.Member(c, "index")), "0")
		if !a.hasChoice {
			a.hasChoice, a.index = true, index
		}
		if whole || index == a.index {
			return a.choice(c, whole)
		}
	}
	return nil
}

func (a *completion) choice(data []byte, whole bool) error {
	var message, delta []byte
	var finish, native string
	for name, v := range rawjson.RawMembers(data) {
		switch string(name) {
		case "index", "text", "seed", "error":
		case "message":
			message = v
		case "delta":
			delta = v
		case "finish_reason":
			finish = usualText(v)
		case "native_finish_reason":
			native = rawjson.Text(v)
		case "usage":
			a.stream.sawUsage(a.usage.update(v))
		case "logprobs":
			a.addLogProbs(v)
		default:
			if !rawjson.IsEmpty(v) {
				a.extra.merge(a.extra.name(name), v)
			}
		}
	}
	if err := a.choiceMessage(message, delta, whole); err != nil {
		return err
	}
	a.finish, a.native = cmp.Or(finish, a.finish), cmp.Or(native, a.native)
	a.stream.sawFinish(finish != "" || native != "")
	return nil
}

// choiceMessage reads the message of a whole answer and the delta of a chunk, or the
// other member if the expected member is missing. A message next to a delta
// with content may be the whole answer so far and is kept until the end.
func (a *completion) choiceMessage(message, delta []byte, whole bool) error {
	switch {
	case whole && rawjson.Kind(message) == '{':
		return a.message(message, true)
	case whole || rawjson.Kind(message) != '{':
		return a.deltaMessage(delta, whole)
	case rawjson.Kind(delta) != '{':
		return a.repeated(message)
	}
	said := a.stream.pieces
	if err := a.deltaMessage(delta, false); err != nil {
		return err
	}
	if said == a.stream.pieces && !a.isEmpty() {
		return a.repeated(message)
	}
	a.lastMessage = append(a.lastMessage[:0], message...)
	return nil
}

func (a *completion) deltaMessage(delta []byte, whole bool) error {
	said := a.stream.pieces
	err := a.message(delta, whole)
	a.deltas = a.deltas || a.stream.pieces > said
	return err
}

// finalize ends the answer. The caller knows that the answer is complete.
func (a *completion) finalize() error {
	if len(a.lastMessage) > 0 {
		if err := a.fillFrom(a.lastMessage); err != nil {
			return err
		}
	}
	if err := a.endTexts(); err != nil {
		return err
	}
	var repairs []string
	a.endCalls, repairs = a.calls.finalize()
	for _, text := range repairs {
		if err := a.emit(llm.Notice{Text: text}); err != nil {
			return err
		}
	}
	return nil
}

// endTexts ends all texts that wait for the second half of a surrogate pair.
func (a *completion) endTexts() error {
	a.refusal.end()
	a.transcript.end()
	for i := range a.reasoning {
		if rest := a.reasoning[i].text.end(); rest != "" {
			if err := a.emit(llm.ReasoningDelta{Text: rest}); err != nil {
				return err
			}
		}
	}
	if err := a.addText(segment{think: true}, a.thinking.end()); err != nil {
		return err
	}
	if err := a.addText(segment{}, a.half.end()); err != nil {
		return err
	}
	return a.calls.endTexts(a.emit)
}

// isEmpty reports whether the answer has no content.
func (a *completion) isEmpty() bool {
	return len(a.content)+len(a.reasoning)+len(a.calls.list)+len(a.hosted.calls)+a.refusal.len() == 0
}

// message reads a message or a delta.
func (a *completion) message(data []byte, whole bool) error {
	var content, list, function []byte
	var thoughts [len(thinkingFields)][]byte
	a.round++
	for name, v := range rawjson.RawMembers(data) {
		switch string(name) {
		case "role":
		case "content":
			content = v
		case "refusal":
			a.addRefusal(v)
		case "audio":
			a.addAudio(v)
		case "tool_calls":
			list = v
		case "function_call":
			function = v
		default:
			if i := slices.Index(thinkingFields[:], string(name)); i >= 0 && rawjson.Kind(v) == '"' {
				thoughts[i] = v
				continue
			}
			if !rawjson.IsEmpty(v) {
				a.members.addPiece(a.members.name(name), v)
			}
		}
	}
	if err := a.addThinking(thoughts); err != nil {
		return err
	}
	if err := a.addContent(content); err != nil {
		return err
	}
	return a.addCalls(list, function, whole)
}

// addThinking reads the first member with text: some providers send the same text
// under two names.
func (a *completion) addThinking(thoughts [len(thinkingFields)][]byte) error {
	for i, raw := range thoughts {
		if rawjson.IsEmpty(raw) {
			continue
		}
		text := a.thinkingText(thinkingFields[i]).add(raw)
		if text == "" {
			return nil // half a surrogate pair
		}
		a.stream.sawThinking()
		if a.silent {
			return nil
		}
		return a.emit(llm.ReasoningDelta{Text: text})
	}
	return nil
}

// thinkingText returns the reasoning text of the field and starts a new text if
// needed.
func (a *completion) thinkingText(field string) *growingText {
	at := a.reasoningOf(field)
	if at < 0 {
		at = len(a.reasoning)
		a.reasoning = append(a.reasoning, segment{field: field})
	}
	return &a.reasoning[at].text
}

// reasoningOf returns the index of the reasoning text of the field, or -1.
func (a *completion) reasoningOf(field string) int {
	return slices.IndexFunc(a.reasoning, func(r segment) bool { return r.field == field })
}

func (a *completion) addRefusal(raw []byte) {
	if rawjson.IsEmpty(raw) || rawjson.Kind(raw) != '"' {
		return
	}
	a.stream.sawContent(false)
	a.refusal.add(raw)
}

// functionCallIndex is the index of the call in the old function_call form, which has
// a single call without an id.
const functionCallIndex = "function_call"

func (a *completion) addCalls(list, function []byte, whole bool) error {
	a.calls.round++
	n := 0
	for c := range rawjson.Elements(list) {
		if n++; n > maxCalls { // also counts pieces without content
			return errTooMany
		}
		p := readCallPiece(c, a.calls.declared)
		if a.hosted.has(p, a.calls.declared) {
			if !a.hosted.add(p, c, whole) {
				return errTooMany
			}
			a.stream.sawContent(false)
			continue
		}
		a.hosted.releaseIndex(p.index)
		if err := a.addCall(p, whole); err != nil {
			return err
		}
	}
	if rawjson.Kind(function) != '{' {
		return nil
	}
	p := callPiece{index: functionCallIndex}
	p.function(function, a.calls.declared)
	return a.addCall(p, whole)
}

func (a *completion) addCall(p callPiece, whole bool) error {
	d := a.calls.add(p, whole)
	if len(a.calls.list) > maxCalls || p.over || a.calls.over {
		return errTooMany
	}
	if d.ID == "" && d.Name == "" && d.Arguments == "" {
		return nil
	}
	a.stream.sawContent(true)
	if a.silent {
		return nil
	}
	return a.emit(d)
}

// addLogProbs appends the lists of a later chunk to the lists of earlier
// chunks.
func (a *completion) addLogProbs(data []byte) {
	for name, v := range rawjson.Members(data) {
		a.logProbs.appendList(name, v)
	}
}

// response returns the collected answer.
func (a *completion) response() *llm.Response {
	return &llm.Response{
		ID:       a.id,
		Model:    a.model,
		Message:  llm.Message{Role: llm.RoleAssistant, Parts: a.parts(), Extra: append(a.members.members(), a.hosted.extra()...)},
		Finish:   a.finishOf(),
		Usage:    a.usage.usage,
		RawUsage: a.usage.raw,
		LogProbs: a.logProbs.object(),
		Extra:    a.extra.members(),
	}
}

// finishOf maps the finish reason to llm.Finish. Without a reason, the calls
// decide, because the answer is known to be complete.
func (a *completion) finishOf() llm.Finish {
	f := llm.FinishOf(a.finish, a.native)
	switch {
	case f.Reason != "":
	case len(a.endCalls) > 0:
		f.Reason = llm.FinishToolCalls
	default:
		f.Reason = llm.FinishStop
	}
	return f
}

// parts returns the parts in a fixed order, whatever their order of arrival.
func (a *completion) parts() llm.Parts {
	var parts llm.Parts
	for _, r := range a.reasoning {
		parts = append(parts, llm.Reasoning{Text: r.text.String(), Field: r.field})
	}
	for _, r := range a.content {
		switch {
		case r.raw != "":
			parts = append(parts, llm.RawPart{JSON: r.raw})
		case r.think:
			parts = append(parts, llm.Reasoning{Text: r.text.String(), Extra: r.extra})
		default:
			parts = append(parts, llm.Text{Text: r.text.String(), Extra: r.extra})
		}
	}
	if a.refusal.len() > 0 {
		parts = append(parts, llm.Refusal{Text: a.refusal.String()})
	}
	if a.audio.ID != "" || len(a.audio.Data)+a.transcript.len() > 0 {
		audio := a.audio
		audio.Transcript = a.transcript.String()
		parts = append(parts, audio)
	}
	if len(parts) == 0 && len(a.endCalls) > 0 {
		return a.endCalls
	}
	return append(parts, a.endCalls...)
}
