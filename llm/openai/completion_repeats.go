package openai

import (
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// This file reads the messages of a stream that also has deltas. A message
// holds the whole answer so far: the message replaces earlier text, and never
// repeats it.

// maxCompared limits the bytes that messages are compared with, in total. An
// honest server sends at least as many bytes of messages, and MaxResponseBytes
// limits those bytes.
const maxCompared = 1 << 28

// repeated reads a message that came without a delta. Servers without deltas send
// pieces as messages, or running totals.
func (a *completion) repeated(message []byte) error {
	if a.isEmpty() {
		return a.message(message, false)
	}
	b, err := a.readSeparately(message)
	if err != nil {
		return err
	}
	if !a.deltas && b.length() < a.length() {
		return a.message(message, false) // a piece
	}
	if a.compared += a.length(); a.compared > maxCompared {
		return errTooMany
	}
	if !a.deltas && !b.continues(a) {
		return a.message(message, false)
	}
	a.stream.repeated = a.deltas && b.continues(a)
	return a.replace(b)
}

// fillFrom adds the content of a message that the deltas lacked.
func (a *completion) fillFrom(message []byte) error {
	b, err := a.readSeparately(message)
	if err != nil {
		return err
	}
	if len(a.content) > 0 {
		b.content = nil
	}
	if len(a.reasoning) > 0 {
		b.reasoning = nil
	}
	if a.refusal.len() > 0 {
		b.refusal.set("")
	}
	if len(a.calls.list) > 0 {
		b.calls.list = nil
	}
	b.members = b.members.without(&a.members)
	return a.replace(b)
}

// readSeparately reads a whole message into a separate answer.
func (a *completion) readSeparately(message []byte) (*completion, error) {
	b := &completion{calls: calls{declared: a.calls.declared}, emit: func(llm.Delta) error { return nil }}
	if err := b.message(message, true); err != nil {
		return nil, err
	}
	return b, b.endTexts()
}

// length returns the size of the content.
func (a *completion) length() int {
	n := len(a.content) + len(a.reasoning) + len(a.calls.list)
	for _, r := range a.content {
		n += r.text.len()
	}
	for _, r := range a.reasoning {
		n += r.text.len()
	}
	return n
}

// continues reports whether b begins with all content of a.
func (b *completion) continues(a *completion) bool {
	if !strings.HasPrefix(b.contentText(), a.contentText()) || !strings.HasPrefix(b.thinkingSoFar(), a.thinkingSoFar()) || len(b.calls.list) < len(a.calls.list) {
		return false
	}
	for i, s := range a.calls.list {
		if o := b.calls.list[i]; o.name != s.name || !strings.HasPrefix(o.text(), s.text()) {
			return false
		}
	}
	return true
}

// contentText returns the text of the content.
func (a *completion) contentText() string {
	var b strings.Builder
	for _, r := range a.content {
		if !r.think {
			b.WriteString(r.text.String())
		}
	}
	return b.String()
}

// thinkingSoFar returns all reasoning.
func (a *completion) thinkingSoFar() string {
	var b strings.Builder
	for _, r := range a.reasoning {
		b.WriteString(r.text.String())
	}
	for _, r := range a.content {
		if r.think {
			b.WriteString(r.text.String())
		}
	}
	return b.String()
}

// replace replaces the content of a by the content of b. Where b is empty, a
// stays.
func (a *completion) replace(b *completion) error {
	if err := a.replaceContent(b); err != nil {
		return err
	}
	if err := a.replaceReasoning(b); err != nil {
		return err
	}
	if old, next := a.refusal.String(), b.refusal.String(); next != "" {
		a.refusal.set(latest(old, next))
	}
	if a.audio.ID == "" && len(a.audio.Data)+a.transcript.len() == 0 {
		a.audio, a.transcript = b.audio, b.transcript
	}
	if len(a.hosted.calls) == 0 {
		a.hosted = b.hosted
	}
	for i := range b.members.list {
		m := &b.members.list[i]
		a.members.replace(m.name, m.value.append(nil))
	}
	return a.replaceCalls(&b.calls)
}

// latest returns the text that contains the second text, apart from white space at
// the ends. If no text contains the second text, neither is a copy, and latest
// returns both.
func latest(old, next string) string {
	switch x, y := strings.TrimSpace(old), strings.TrimSpace(next); {
	case strings.Contains(x, y):
		return old
	case strings.Contains(y, x):
		return next
	}
	return old + next
}

func (a *completion) replaceContent(b *completion) error {
	old, next := a.contentText(), b.contentText()
	if len(a.content) == 0 || next == "" && old == "" {
		return a.append(b.content)
	}
	switch latest(old, next) {
	case old:
	case old + next:
		return a.addText(segment{}, next)
	default:
		if rest, ok := strings.CutPrefix(next, old); ok {
			return a.addText(segment{}, rest)
		}
		// The text that the sink has seen stays.
		var rest []segment
		for _, r := range a.content {
			if r.think || r.raw != "" {
				rest = append(rest, r)
			}
		}
		var said segment
		said.text.set(next)
		a.content, a.byLabel = append(rest, said), nil
	}
	return nil
}

// append adds the segments unless there is content already.
func (a *completion) append(runs []segment) error {
	if len(a.content) > 0 {
		return nil
	}
	for _, r := range runs {
		if r.raw != "" {
			a.content = append(a.content, r)
		} else if err := a.addText(segment{think: r.think, extra: r.extra}, r.text.String()); err != nil {
			return err
		}
	}
	return nil
}

// replaceReasoning replaces the reasoning, under the member name of the first
// reasoning.
func (a *completion) replaceReasoning(b *completion) error {
	for i, r := range b.reasoning {
		if len(a.reasoning) == i {
			a.reasoning = append(a.reasoning, segment{field: r.field})
		}
		to := &a.reasoning[i]
		old, next := to.text.String(), r.text.String()
		to.text.set(latest(old, next))
		if fresh, ok := strings.CutPrefix(next, old); ok && fresh != "" {
			a.stream.sawThinking()
			if err := a.emit(llm.ReasoningDelta{Text: fresh}); err != nil {
				return err
			}
		}
	}
	return nil
}

// replaceCalls replaces calls by the calls of b with the same id, or else at
// the same place.
func (a *completion) replaceCalls(b *calls) error {
	for i, o := range b.list {
		if o.isNoCall() {
			continue
		}
		s := a.calls.byID[o.id]
		if s == nil && i < len(a.calls.list) && !other(a.calls.list[i].id, o.id) {
			s = a.calls.list[i]
		}
		if s == nil || other(s.name, o.name) {
			s = a.calls.open()
		}
		d := s.replace(o, s.position)
		if len(a.calls.list) > maxCalls || len(s.extra.list) > maxPartMembers {
			return errTooMany
		}
		if s.id != "" {
			enter(&a.calls.byID, s.id, s)
		}
		if d.ID == "" && d.Name == "" && d.Arguments == "" {
			continue
		}
		a.stream.sawContent(true)
		if err := a.emit(d); err != nil {
			return err
		}
	}
	return nil
}

// replace replaces s by o and returns the new content.
func (s *partialCall) replace(o *partialCall, position int) llm.CallDelta {
	d := llm.CallDelta{Index: position}
	if s.id == "" {
		s.id, d.ID = o.id, o.id
	}
	if o.name != "" && o.name != s.name {
		s.name, d.Name = o.name, o.name
	}
	if !o.empty() {
		if rest, ok := strings.CutPrefix(o.text(), s.text()); ok {
			d.Arguments = rest
		}
		s.object, s.fragments, s.nesting = o.object, o.fragments, o.nesting
	}
	for i := range o.extra.list {
		m := &o.extra.list[i]
		s.extra.merge(m.name, m.value.append(nil))
	}
	return d
}
