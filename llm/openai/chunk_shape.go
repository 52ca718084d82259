package openai

import (
	"bytes"
	"unicode/utf8"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
)

// This file reads the usual chunk of a stream without a parser. Nearly all chunks of a
// stream are the chunk before them with another text, and to compare bytes is ten times
// as fast as to read JSON. After a chunk was read in the general way, its shape is
// learnt: the bytes around the one text, the time and the padding. A later chunk of
// this shape has one effect, more text, because all that else stands in the chunk has
// its effect already. The order of members, white space and unknown members do not
// matter. A chunk with anything further has no shape, and all else is read in the
// general way. FuzzChunks proves that both ways give the same answer.

// A chunkTarget is where the text of a shape goes.
type chunkTarget int

const (
	noTarget chunkTarget = iota
	contentTarget
	thinkingTarget // of the field chunkShape.name
	callTarget     // arguments of the call with the index chunkShape.name
)

// A chunkShape is a chunk with holes. The zero value fits no chunk.
type chunkShape struct {
	chunk  []byte
	holes  [maxHoles]chunkHole
	n      int // holes
	target chunkTarget
	name   string

	seen   int // chunks that were read in the general way
	unused int // shapes in a row that no chunk fitted
}

// A chunkHole is a place whose bytes differ from chunk to chunk.
type chunkHole struct {
	kind     holeKind
	from, to int // in chunk, without quotes
}

type holeKind int

const (
	textHole holeKind = iota
	timeHole
	paddingHole
)

// maxHoles limits the holes of a shape: a text, a time, and a padding.
const maxHoles = 3

// fit returns the text of a chunk that has the shape: the inside of a string with at
// most escapes of one character.
func (s *chunkShape) fit(chunk []byte) (text []byte, ok bool) {
	at := 0
	for i := range s.holes[:s.n] {
		h := &s.holes[i]
		if !bytes.HasPrefix(chunk, s.chunk[at:h.from]) {
			return nil, false
		}
		chunk = chunk[h.from-at:]
		end := h.kind.end(chunk)
		if end <= 0 {
			return nil, false
		}
		if h.kind == textHole {
			text = chunk[:end]
		}
		chunk, at = chunk[end:], h.to
	}
	return text, s.n > 0 && bytes.Equal(chunk, s.chunk[at:])
}

// end returns the length of the value at the beginning of b, or -1 if b begins with
// another value or with a value that needs a parser.
func (k holeKind) end(b []byte) int {
	switch k {
	case textHole:
		return textEnd(b)
	case timeHole:
		return timeEnd(b)
	}
	return paddingEnd(b)
}

func textEnd(b []byte) int {
	ascii := true
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			if ascii || utf8.Valid(b[:i]) {
				return i
			}
			return -1
		case c == '\\':
			if i++; i == len(b) || rawjson.Unescaped(b[i]) == 0 {
				return -1
			}
		case c < ' ':
			return -1
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return -1
}

// paddingEnd reads a string without escapes, of ASCII characters.
func paddingEnd(b []byte) int {
	for i, c := range b {
		switch {
		case c == '"':
			return i
		case c < ' ' || c == '\\' || c >= utf8.RuneSelf:
			return -1
		}
	}
	return -1
}

// timeEnd reads a positive integer.
func timeEnd(b []byte) int {
	for i, c := range b {
		if c < '0' || c > '9' || b[0] == '0' {
			return i
		}
	}
	return -1
}

// usual returns the new text of a chunk of the usual shape. ok is false if only the
// general way can tell what the chunk adds to the answer.
func (a *completion) usual(e event) (text string, ok bool) {
	if e.name != "" || e.bare || e.cut || a.stream.finished || !a.canGrow() {
		return "", false
	}
	inner, ok := a.shape.fit(e.data)
	if !ok {
		return "", false
	}
	a.shape.unused = 0
	a.round++
	a.calls.round++
	a.deltas = true
	a.stream.beginEvent()
	text = a.grow(inner)
	a.stream.endEvent()
	return text, true
}

func (a *completion) hasShape() bool { return a.shape.target != noTarget }

// canGrow reports whether the text of a chunk of the shape would go on with a text that
// the answer has, as it stands.
func (a *completion) canGrow() bool {
	switch a.shape.target {
	case contentTarget:
		if len(a.content) == 0 || a.half != nil {
			return false
		}
		last := &a.content[len(a.content)-1]
		return last.raw == "" && !last.think && len(last.extra) == 0
	case thinkingTarget:
		at := a.reasoningOf(a.shape.name)
		return at >= 0 && a.reasoning[at].text.half == nil
	case callTarget:
		s := a.calls.byIndex[a.shape.name]
		return s != nil && !s.empty() && s.half == nil && len(a.hosted.calls) == 0
	}
	return false
}

// fragmentBlock is the size of a block of fragments of arguments.
const fragmentBlock = 1 << 10

// grow adds the inside of a string to the text of the shape.
func (a *completion) grow(inner []byte) string {
	switch a.shape.target {
	case contentTarget:
		last := &a.content[len(a.content)-1]
		last.round = a.round
		a.stream.sawContent(false)
		return last.text.addInner(inner)
	case thinkingTarget:
		a.stream.sawThinking()
		return a.reasoning[a.reasoningOf(a.shape.name)].text.addInner(inner)
	}
	s := a.calls.byIndex[a.shape.name]
	a.fragments.room(len(inner), fragmentBlock)
	fragment := a.fragments.addInner(inner)
	s.round = a.calls.round
	s.fragments = append(s.fragments, fragment)
	s.nesting.addString(fragment)
	a.stream.sawContent(true)
	return fragment
}
