package openai

import (
	"bytes"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
)

// A growingText is text in pieces. The two halves of a surrogate pair can be in
// two pieces.
//
// Pieces of usual chunks are cut out of blocks, so a piece costs no allocation, and the
// text is copied once, at its end. Text that grows in one place would be copied four
// times. A kept delta keeps a whole block in memory.
type growingText struct {
	first  string   // the beginning: the first piece, or what was joined
	blocks []string // behind first
	block  textBlock
	length int
	half   surrogate
}

// String returns the text so far.
func (g *growingText) String() string {
	if len(g.first) < g.length {
		var b strings.Builder
		b.Grow(g.length)
		b.WriteString(g.first)
		for _, block := range g.blocks {
			b.WriteString(block)
		}
		b.WriteString(g.block.String())
		g.set(b.String())
	}
	return g.first
}

func (g *growingText) len() int { return g.length }

// set replaces the text.
func (g *growingText) set(text string) {
	g.first, g.blocks, g.block, g.length = text, nil, textBlock{}, len(text)
}

// append appends text.
func (g *growingText) append(text string) {
	switch {
	case text == "":
	case g.length == 0:
		g.set(text)
	default:
		g.room(len(text))
		g.block.builder.WriteString(text)
		g.length += len(text)
	}
}

// Sizes of the blocks of a text: a block is as long as the text before it.
const (
	minBlock = 256
	maxBlock = 16 << 10
)

// room makes room for n more bytes.
func (g *growingText) room(n int) {
	if full := g.block.room(n, min(max(g.length, minBlock), maxBlock)); full != "" {
		g.blocks = append(g.blocks, full)
	}
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
	g.room(len(inner))
	text := g.block.addInner(inner)
	g.length += len(text)
	return text
}

// end appends the replacement for half a surrogate pair without its second
// half, and returns the replacement.
func (g *growingText) end() string {
	rest := g.half.end()
	g.append(rest)
	return rest
}

// A textBlock is memory for several texts, so that not each text costs an allocation.
// The texts are parts of the builder's string, and the builder writes behind them only.
type textBlock struct{ builder *strings.Builder }

// String returns the texts of the block, joined.
func (t *textBlock) String() string {
	if t.builder == nil {
		return ""
	}
	return t.builder.String()
}

// room makes room for n bytes. If that takes a new block, which has the size or more,
// room returns the texts of the old block.
func (t *textBlock) room(n, size int) (full string) {
	if t.builder == nil {
		t.builder = new(strings.Builder)
	}
	if t.builder.Cap()-t.builder.Len() >= n {
		return ""
	}
	full = t.builder.String()
	t.builder.Reset() // leaves the old memory to its texts
	t.builder.Grow(max(n, size))
	return full
}

// addInner is growingText.addInner in a block with room.
func (t *textBlock) addInner(inner []byte) string {
	from := t.builder.Len()
	for {
		at := bytes.IndexByte(inner, '\\')
		if at < 0 {
			t.builder.Write(inner)
			return t.builder.String()[from:]
		}
		t.builder.Write(inner[:at])
		t.builder.WriteByte(rawjson.Unescaped(inner[at+1]))
		inner = inner[at+2:]
	}
}
