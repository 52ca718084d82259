package openai

import (
	"bytes"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
)

// A growingText is text in pieces. The two halves of a surrogate pair can be in
// two pieces.
//
// The pieces and the text share memory: a piece is cut out of the builder, and the
// builder only writes behind the piece. A delta therefore costs no allocation. The price
// is that a caller who keeps one delta keeps the text up to that delta.
type growingText struct {
	first string           // the text so far, until the second piece
	rest  *strings.Builder // the whole text from then on; a pointer, because segments move
	half  surrogate
}

func (g *growingText) String() string {
	if g.rest == nil {
		return g.first
	}
	return g.rest.String()
}

func (g *growingText) len() int {
	if g.rest == nil {
		return len(g.first)
	}
	return g.rest.Len()
}

// set replaces the text.
func (g *growingText) set(text string) { g.first, g.rest = text, nil }

// append appends text.
func (g *growingText) append(text string) {
	switch {
	case text == "":
	case g.len() == 0:
		g.set(text)
	default:
		g.builder().WriteString(text)
	}
}

// minBuilder is the first size of a builder; a text of two pieces goes on.
const minBuilder = 256

func (g *growingText) builder() *strings.Builder {
	if g.rest == nil {
		g.rest = new(strings.Builder)
		g.rest.Grow(max(minBuilder, 2*len(g.first)))
		g.rest.WriteString(g.first)
		g.first = ""
	}
	return g.rest
}

// add appends the JSON string and returns the new text.
func (g *growingText) add(raw []byte) string {
	text := g.half.text(raw)
	g.append(text)
	return text
}

// addInner appends the text of a string without its quotes, and returns the new text.
// The caller knows that inner has at most escapes of one character.
func (g *growingText) addInner(inner []byte) string {
	return cutInner(g.builder(), inner)
}

// end appends the replacement for half a surrogate pair without its second
// half, and returns the replacement.
func (g *growingText) end() string {
	rest := g.half.end()
	g.append(rest)
	return rest
}

// A textBlock holds short texts that belong together, so that not each text costs an
// allocation.
type textBlock struct{ block *strings.Builder }

// blockSize is the size of a block.
const blockSize = 1 << 10

// addInner is growingText.addInner for a text that stands alone.
func (t *textBlock) addInner(inner []byte) string {
	if t.block == nil || t.block.Cap()-t.block.Len() < len(inner) {
		t.block = new(strings.Builder)
		t.block.Grow(max(blockSize, len(inner)))
	}
	return cutInner(t.block, inner)
}

// cutInner writes the text of a string without its quotes behind the builder's text, and
// returns the new text as a part of the builder's.
func cutInner(to *strings.Builder, inner []byte) string {
	from := to.Len()
	for {
		at := bytes.IndexByte(inner, '\\')
		if at < 0 {
			to.Write(inner)
			return to.String()[from:]
		}
		to.Write(inner[:at])
		to.WriteByte(rawjson.Unescaped(inner[at+1]))
		inner = inner[at+2:]
	}
}
