package llmtest

import (
	"math/rand/v2"
	"slices"
	"unicode"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// A piece is the content of one chunk of a stream: a fragment of a part, or a whole
// part. The first piece of a call has ID, Name and Extra. The arguments follow in
// further pieces, unless the call comes whole.
type piece struct {
	part  llm.Part
	index int // of a call: its position in the answer
	item  int // the position of the part among the parts, calls last
}

// delta returns the piece as a delta for callers, or nil if callers do not see the
// piece.
func (p piece) delta() llm.Delta {
	switch part := p.part.(type) {
	case llm.Text:
		return llm.TextDelta{Text: part.Text}
	case llm.Reasoning:
		return llm.ReasoningDelta{Text: part.Text}
	case llm.ToolCall:
		return llm.CallDelta{Index: p.index, ID: part.ID, Name: part.Name, Arguments: part.Arguments}
	}
	return nil
}

// A cutter cuts one answer into pieces.
type cutter struct {
	size       int        // characters of a piece; 0: about a token; -1: all at once
	random     *rand.Rand // if not nil, each piece has up to size characters
	whole      bool       // calls come whole
	interleave bool       // fragments of calls take turns
}

// cutter returns the cutter for the answer to the request with that number.
func (m *Model) cutter(number int) cutter {
	if m.Seed == 0 {
		return cutter{size: max(m.ChunkSize, -1), whole: m.ChunkSize < 0}
	}
	r := rand.New(rand.NewPCG(m.Seed, uint64(number)))
	c := cutter{whole: r.IntN(3) == 0, interleave: r.IntN(2) == 0}
	switch r.IntN(4) {
	case 0: // tokens
	case 1:
		c.size = -1
	case 2:
		c.size = 1
	default:
		c.size, c.random = 20, r
	}
	return c
}

// pieces cuts a message.
func (c cutter) pieces(m llm.Message) []piece {
	var out []piece
	var calls [][]piece
	first := len(m.Parts) - len(m.Calls()) // the item of the first call
	item := 0
	for _, part := range m.Parts {
		if call, ok := part.(llm.ToolCall); ok {
			calls = append(calls, c.call(call, len(calls), first+len(calls)))
			continue
		}
		for _, cut := range c.part(part) {
			out = append(out, piece{part: cut, item: item})
		}
		item++
	}
	if !c.interleave {
		return append(out, slices.Concat(calls...)...)
	}
	for i, more := 0, true; more; i++ {
		more = false
		for _, fragments := range calls {
			if i < len(fragments) {
				out, more = append(out, fragments[i]), true
			}
		}
	}
	return out
}

func (c cutter) part(part llm.Part) []llm.Part {
	switch p := part.(type) {
	case llm.Text:
		if p.Extra == nil {
			return mapText(c.text(p.Text, words), func(s string) llm.Part { return llm.Text{Text: s} })
		}
	case llm.Reasoning:
		if !isContentPart(p) {
			return mapText(c.text(p.Text, words), func(s string) llm.Part { return llm.Reasoning{Text: s, Field: p.Field} })
		}
	case llm.Refusal:
		return mapText(c.text(p.Text, words), func(s string) llm.Part { return llm.Refusal{Text: s} })
	}
	return []llm.Part{part}
}

func mapText(texts []string, part func(string) llm.Part) []llm.Part {
	out := make([]llm.Part, len(texts))
	for i, s := range texts {
		out[i] = part(s)
	}
	return out
}

func (c cutter) call(call llm.ToolCall, index, item int) []piece {
	if c.whole {
		return []piece{{call, index, item}}
	}
	out := []piece{{llm.ToolCall{ID: call.ID, Name: call.Name, Extra: call.Extra}, index, item}}
	for _, f := range c.text(call.Arguments, fragments) {
		out = append(out, piece{llm.ToolCall{Arguments: f}, index, item})
	}
	return out
}

// text cuts s into pieces of the size, or by tokens if there is no size.
func (c cutter) text(s string, tokens func(string) []string) []string {
	switch {
	case c.size == 0:
		return tokens(s)
	case c.size < 0 && s == "":
		return nil
	case c.size < 0:
		return []string{s}
	}
	var out []string
	for s != "" {
		n := c.size
		if c.random != nil {
			n = 1 + c.random.IntN(c.size)
		}
		end := 0
		for ; n > 0 && end < len(s); n-- {
			end = clip.Boundary(s, end+1)
		}
		out, s = append(out, s[:end]), s[end:]
	}
	return out
}

// maxWord bounds a piece of text, in characters: not every script has spaces.
const maxWord = 12

// words cuts s behind its spaces; whatever has two characters is cut at least once.
func words(s string) []string {
	var out []string
	start, n := 0, 0
	space := false
	for i, r := range s {
		if n > 0 && (n == maxWord || space && !unicode.IsSpace(r)) {
			out = append(out, s[start:i])
			start, n = i, 0
		}
		space = unicode.IsSpace(r)
		n++
	}
	if start == 0 {
		return halves(s)
	}
	return append(out, s[start:])
}

// fragments cuts s into two to eight pieces of about the same length.
func fragments(s string) []string {
	size := max(8, (len(s)+7)/8)
	var out []string
	for rest := s; rest != ""; {
		i := clip.Boundary(rest, min(size, len(rest)))
		out = append(out, rest[:i])
		rest = rest[i:]
	}
	if len(out) < 2 {
		return halves(s)
	}
	return out
}

// halves cuts s in two, unless it is a single character.
func halves(s string) []string {
	if s == "" {
		return nil
	}
	i := len(clip.Cut(s, len(s)/2))
	if i == 0 {
		i = clip.Boundary(s, 1)
	}
	if i == len(s) {
		return []string{s}
	}
	return []string{s[:i], s[i:]}
}
