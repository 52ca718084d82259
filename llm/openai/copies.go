package openai

import (
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// This file reads the messages of a stream that also has deltas. A message
// holds the whole answer so far: the message replaces earlier text, and never
// repeats it.

// mostCompared limits the bytes that messages are compared with, in total. An
// honest server sends at least as many bytes of messages, and MaxResponseBytes
// limits those bytes.
const mostCompared = 1 << 28

// copied reads a message that came without a delta. Servers without deltas send
// pieces as messages, or running totals.
func (a *answer) copied(message []byte) error {
	if a.silent() {
		return a.message(message, false)
	}
	b, err := a.read(message)
	if err != nil {
		return err
	}
	if !a.deltas && b.length() < a.length() {
		return a.message(message, false) // a piece
	}
	if a.compared += a.length(); a.compared > mostCompared {
		return errTooMany
	}
	if !a.deltas && !b.continues(a) {
		return a.message(message, false)
	}
	a.proof.copied = a.deltas && b.continues(a)
	return a.replace(b)
}

// fill adds the content of a message that the deltas lacked.
func (a *answer) fill(message []byte) error {
	b, err := a.read(message)
	if err != nil {
		return err
	}
	if len(a.content) > 0 {
		b.content = nil
	}
	if len(a.reasoning) > 0 {
		b.reasoning = nil
	}
	if len(a.refusal.text) > 0 {
		b.refusal.text = nil
	}
	if len(a.calls.slots) > 0 {
		b.calls.slots = nil
	}
	for _, name := range a.members.names {
		delete(b.members.values, name)
	}
	return a.replace(b)
}

// read reads a whole message into a separate answer.
func (a *answer) read(message []byte) (*answer, error) {
	b := &answer{calls: calls{declared: a.calls.declared}, emit: func(llm.Delta) error { return nil }}
	if err := b.message(message, true); err != nil {
		return nil, err
	}
	return b, b.halves()
}

// length returns the size of the content.
func (a *answer) length() int {
	n := len(a.content) + len(a.reasoning) + len(a.calls.slots)
	for _, r := range a.content {
		n += len(r.text)
	}
	for _, r := range a.reasoning {
		n += len(r.text)
	}
	return n
}

// continues reports whether b begins with all content of a.
func (b *answer) continues(a *answer) bool {
	if !strings.HasPrefix(b.spoken(), a.spoken()) || !strings.HasPrefix(b.thoughts(), a.thoughts()) || len(b.calls.slots) < len(a.calls.slots) {
		return false
	}
	for i, s := range a.calls.slots {
		if o := b.calls.slots[i]; o.name != s.name || !strings.HasPrefix(o.written(), s.written()) {
			return false
		}
	}
	return true
}

// spoken returns the text of the content.
func (a *answer) spoken() string {
	var b strings.Builder
	for _, r := range a.content {
		if !r.think {
			b.Write(r.text)
		}
	}
	return b.String()
}

// thoughts returns all reasoning.
func (a *answer) thoughts() string {
	var b strings.Builder
	for _, r := range a.reasoning {
		b.Write(r.text)
	}
	for _, r := range a.content {
		if r.think {
			b.Write(r.text)
		}
	}
	return b.String()
}

// replace replaces the content of a by the content of b. Where b is empty, a
// stays.
func (a *answer) replace(b *answer) error {
	if err := a.replaceContent(b); err != nil {
		return err
	}
	if err := a.replaceReasoning(b); err != nil {
		return err
	}
	if old, next := string(a.refusal.text), string(b.refusal.text); next != "" {
		a.refusal.text = []byte(latest(old, next))
	}
	if a.audio.ID == "" && len(a.audio.Data)+len(a.transcript.text) == 0 {
		a.audio, a.transcript = b.audio, b.transcript
	}
	if len(a.hosted.calls) == 0 {
		a.hosted = b.hosted
	}
	for _, name := range b.members.names {
		if t := b.members.values[name]; t != nil {
			a.members.last(name, t.append(nil))
		}
	}
	return a.replaceCalls(&b.calls)
}

// latest returns the text that contains the other text, apart from white space
// at the ends. Otherwise it returns both texts, since neither is a copy.
func latest(old, next string) string {
	switch x, y := strings.TrimSpace(old), strings.TrimSpace(next); {
	case strings.Contains(x, y):
		return old
	case strings.Contains(y, x):
		return next
	}
	return old + next
}

func (a *answer) replaceContent(b *answer) error {
	old, next := a.spoken(), b.spoken()
	if len(a.content) == 0 || next == "" && old == "" {
		return a.append(b.content)
	}
	switch latest(old, next) {
	case old:
	case old + next:
		return a.say(run{}, next)
	default:
		if rest, ok := strings.CutPrefix(next, old); ok {
			return a.say(run{}, rest)
		}
		// The text that the sink has seen stays.
		var rest []run
		for _, r := range a.content {
			if r.think || r.raw != "" {
				rest = append(rest, r)
			}
		}
		a.content, a.keyed = append(rest, run{growingText: growingText{text: []byte(next)}}), nil
	}
	return nil
}

// append adds the runs unless there is similar text already.
func (a *answer) append(runs []run) error {
	if len(a.content) > 0 {
		return nil
	}
	for _, r := range runs {
		if r.raw != "" {
			a.content = append(a.content, r)
		} else if err := a.say(run{think: r.think, extra: r.extra}, string(r.text)); err != nil {
			return err
		}
	}
	return nil
}

// replaceReasoning replaces the reasoning, under the member name of the first
// reasoning.
func (a *answer) replaceReasoning(b *answer) error {
	for i, r := range b.reasoning {
		if len(a.reasoning) == i {
			a.reasoning = append(a.reasoning, run{field: r.field})
		}
		to := &a.reasoning[i]
		old, next := string(to.text), string(r.text)
		to.text = []byte(latest(old, next))
		if fresh, ok := strings.CutPrefix(next, old); ok && fresh != "" {
			a.proof.thought()
			if err := a.emit(llm.ReasoningDelta{Text: fresh}); err != nil {
				return err
			}
		}
	}
	return nil
}

// replaceCalls replaces calls by the calls of b with the same id, or else at
// the same place.
func (a *answer) replaceCalls(b *calls) error {
	for i, o := range b.slots {
		if o.nothing() {
			continue
		}
		s := a.calls.byID[o.id]
		if s == nil && i < len(a.calls.slots) && !other(a.calls.slots[i].id, o.id) {
			s = a.calls.slots[i]
		}
		if s == nil || other(s.name, o.name) {
			s = a.calls.open()
		}
		d := s.replace(o, s.position)
		if len(a.calls.slots) > mostCalls || len(s.extra.names) > mostPartMembers {
			return errTooMany
		}
		if s.id != "" {
			a.calls.byID[s.id] = s
		}
		if d.ID+d.Name+d.Arguments == "" {
			continue
		}
		a.proof.answer(true)
		if err := a.emit(d); err != nil {
			return err
		}
	}
	return nil
}

// replace replaces s by o and returns the new content.
func (s *slot) replace(o *slot, position int) llm.CallDelta {
	d := llm.CallDelta{Index: position}
	if s.id == "" {
		s.id, d.ID = o.id, o.id
	}
	if o.name != "" && o.name != s.name {
		s.name, d.Name = o.name, o.name
	}
	if !o.empty() {
		if rest, ok := strings.CutPrefix(o.written(), s.written()); ok {
			d.Arguments = rest
		}
		s.object, s.fragments, s.nested = o.object, o.fragments, o.nested
	}
	for _, name := range o.extra.names {
		s.extra.update(name, o.extra.values[name].append(nil))
	}
	return d
}
