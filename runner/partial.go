package runner

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// A partial closes the JSON at the beginning of a streamed answer. It reads each byte once:
// a second look at the whole text for each delta would make long answers slow.
//
// Every form of an answer is an object. A partial therefore looks for an object outside of
// brackets, in the way in which the whole answer is read later: what stands inside of an
// array, or inside of brackets that are not JSON, is not the answer.
type partial struct {
	text  []byte // from the first bracket on
	read  int    // bytes of text that were read
	stack []byte // the open brackets, as the brackets that close them
	safe  int    // text[:safe] and the stack are JSON, unless the model wrote no JSON

	inString bool
	escape   int  // place of an escape that is not complete; -1: none
	high     int  // place of an escape that may be the first half of a character; -1: none
	value    bool // the open string, or the next one, is a value
	broken   bool // the text in the brackets is not JSON
	shown    int  // length of the last snapshot
	over     bool // the object is complete
}

func newPartial() *partial { return &partial{escape: -1, high: -1} }

// add reads more text, and returns the snapshot to show, or nil. A snapshot is worth its
// copy if the text has grown by some percent.
func (p *partial) add(text string) json.RawMessage {
	if p.over {
		return nil
	}
	p.text = append(p.text, text...)
	for !p.over && p.begin() {
		for ; p.read < len(p.text) && len(p.stack) > 0; p.read++ {
			p.next(p.text[p.read])
		}
		if len(p.stack) > 0 {
			break
		}
		p.end()
	}
	if !p.over && (p.broken || len(p.stack) == 0 || p.stack[0] != '}') {
		return nil
	}
	end := p.endOfString()
	size := p.safe + len(p.stack)
	if end > 0 {
		size = end + 1 + len(p.stack)
	}
	if !p.over && size-p.shown <= size/64 || size == p.shown {
		return nil
	}
	b := p.snapshot(size, end)
	// The scan above knows strings and brackets. Snapshots are few, so the rest of the
	// grammar is checked here.
	if p.broken = !json.Valid(b); p.broken {
		return nil
	}
	p.shown = size
	return b
}

// begin reads the next bracket, unless a bracket is open, and drops the text in front of
// it.
func (p *partial) begin() bool {
	if len(p.stack) > 0 {
		return true
	}
	i := slices.IndexFunc(p.text, func(c byte) bool { return c == '{' || c == '[' })
	if i < 0 {
		p.text = p.text[:0]
		return false
	}
	p.text = p.text[i:]
	p.next(p.text[0])
	p.read = 1
	return true
}

// end decides after the last bracket whether the text was the answer. Sentences hold empty
// brackets, too.
func (p *partial) end() {
	whole := p.text[:p.read]
	if whole[0] == '{' && !p.broken && len(bytes.TrimSpace(whole[1:p.read-1])) > 0 && json.Valid(whole) {
		p.over = true
		return
	}
	rest := p.text[p.read:]
	*p = *newPartial()
	p.text = rest
}

// next reads a byte of JSON.
func (p *partial) next(c byte) {
	if p.inString {
		p.nextOfString(c)
		return
	}
	switch c {
	case '"':
		p.inString = true
	case '{', '[':
		p.stack = append(p.stack, c+2) // the closing bracket in ASCII
		p.value, p.safe = c == '[', p.read+1
	case '}', ']':
		p.broken = p.broken || p.stack[len(p.stack)-1] != c
		p.stack = p.stack[:len(p.stack)-1]
		p.safe, p.value = p.read+1, false
	case ':':
		p.value = true
	case ',':
		p.safe = p.read // a number or a word before the comma is complete
		p.value = p.stack[len(p.stack)-1] == ']'
	}
}

func (p *partial) nextOfString(c byte) {
	switch {
	case p.escape >= 0:
		if at := p.read - p.escape; at == 1 && c != 'u' || at == 5 {
			p.high = -1
			if at == 5 && isHigh(p.text[p.escape:]) {
				p.high = p.escape
			}
			p.escape = -1
		}
	case c == '\\':
		p.escape = p.read
	case c == '"':
		p.inString, p.high = false, -1
		if p.value {
			p.safe = p.read + 1
		}
	default:
		p.high = -1
	}
}

// isHigh reports whether an escape such as \ud83d is the first half of a character, whose
// second half is the next escape.
func isHigh(escape []byte) bool {
	return escape[2]|0x20 == 'd' && strings.IndexByte("89abAB", escape[3]) >= 0
}

// endOfString returns the end of the complete characters of an open string that is a
// value, or 0.
func (p *partial) endOfString() int {
	if !p.inString || !p.value {
		return 0
	}
	end := p.read
	switch {
	case p.high >= 0:
		end = p.high
	case p.escape >= 0:
		end = p.escape
	}
	for range utf8.UTFMax - 1 { // a delta may end inside of a character
		if r, n := utf8.DecodeLastRune(p.text[p.safe:end]); r != utf8.RuneError || n != 1 {
			break
		}
		end--
	}
	return end
}

// snapshot returns the text so far as JSON of this size. end is the end of an open string.
func (p *partial) snapshot(size, end int) json.RawMessage {
	b := make([]byte, 0, size)
	if b = append(b, p.text[:max(p.safe, end)]...); end > 0 {
		b = append(b, '"')
	}
	for _, c := range slices.Backward(p.stack) {
		b = append(b, c)
	}
	return b
}
