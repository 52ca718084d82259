package openai

import (
	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// This file reads the usual event of the Responses API, response.output_text.delta,
// without a parser: see chunkShape. Any other event forgets the shape. Until then the
// events of the shape belong to one text of one item, because nothing changes the items.

// textDelta is the type of the usual event.
const textDelta = "response.output_text.delta"

// A responsesShape is the shape of the event before, and the text of that event.
type responsesShape struct {
	chunkShape // embedded: its learning and its holes are those of this shape
	item       *responseItem
	text       *itemText
	block      textBlock
}

// learn keeps the shape of an event that a has just read in the general way, or no shape
// if the event has none.
func (s *responsesShape) learn(a *responsesAnswer, e responsesEvent, data []byte) {
	if !s.worthLearning(data) || string(e.typ) != textDelta {
		return
	}
	s.item = a.find(indexOf(e.index), rawjson.RawText(e.itemID), "message")
	if s.item == nil || s.item.done != nil {
		return
	}
	text, err := s.item.pieces[spokenText].at(e.contentIndex)
	if s.text = text; err != nil {
		return
	}
	if l := (shapeLearner{chunk: data}); l.textDelta() && l.plain() {
		s.keep(&l)
	}
}

// textDelta reports whether the chunk is an event with one type and one text. The other
// members say the same in each event of the shape, or they do not count.
func (l *shapeLearner) textDelta() bool {
	types, deltas := 0, 0
	for name, v := range rawjson.RawMembers(l.chunk) {
		switch string(name) {
		case "type":
			if types++; string(rawjson.RawText(v)) != textDelta {
				return false
			}
		case "delta":
			if deltas++; rawjson.Kind(v) != '"' || !l.text(contentTarget, "", v) {
				return false
			}
		case "sequence_number":
			if rawjson.Kind(v) != '"' {
				l.hole(timeHole, v)
			}
		case "obfuscation":
			if rawjson.Kind(v) == '"' {
				l.hole(paddingHole, v)
			}
		}
	}
	return types == 1 && deltas == 1
}

func (a *responsesAnswer) hasShape() bool { return a.shape.target != noTarget }

// usual returns the new text of an event of the usual shape. ok is false if only the
// general way can tell what the event adds to the answer.
func (a *responsesAnswer) usual(e event) (text string, ok bool) {
	s := &a.shape
	if !a.hasShape() || e.bare || e.cut || s.item.done != nil || s.text.full != nil || s.text.half != nil || a.speaker != s.item {
		return "", false
	}
	inner, ok := s.fit(e.data)
	if !ok {
		return "", false
	}
	s.unused = 0
	s.block.room(len(inner), fragmentBlock)
	text = s.block.addInner(inner)
	s.text.text = append(s.text.text, text...)
	s.item.shown = append(s.item.shown, text...)
	return text, true
}

func (a *responsesAnswer) emitTexts(texts []string) error {
	return emitTogether[llm.TextDelta](texts, a.emit)
}
