package runner

import (
	"encoding/json"
	"slices"
	"unicode/utf8"
)

// A partial closes the JSON at the beginning of a streamed answer. It reads each byte once:
// a second look at the whole text for each delta would make long answers slow.
type partial struct {
	text  []byte // from the first bracket on
	read  int    // bytes of text that were read
	stack []byte // the open brackets, as the brackets that close them
	safe  int    // text[:safe] and the stack are JSON

	inString bool
	escape   int  // place of an escape that is not complete; -1: none
	value    bool // the open string, or the next one, is a value
	over     bool // the value is complete, or broken
	broken   bool // the text is not JSON
	shown    int  // length of the last snapshot
}

func newPartial() *partial { return &partial{escape: -1} }

// add reads more text, and returns the snapshot to show, or nil. A snapshot is worth its
// copy if the text has grown by some percent.
func (p *partial) add(text string) json.RawMessage {
	if p.over {
		return nil
	}
	p.text = append(p.text, text...)
	if len(p.stack) == 0 && !p.begin() {
		return nil
	}
	for ; p.read < len(p.text) && !p.over; p.read++ {
		p.next(p.text[p.read])
	}
	if p.broken {
		return nil
	}
	b := p.snapshot()
	if !p.over && len(b)-p.shown <= len(b)/64 || len(b) == p.shown {
		return nil
	}
	p.shown = len(b)
	return b
}

// begin drops the text in front of the first bracket.
func (p *partial) begin() bool {
	i := slices.IndexFunc(p.text, func(c byte) bool { return c == '{' || c == '[' })
	if i < 0 {
		p.text = p.text[:0]
		return false
	}
	p.text = p.text[i:]
	return true
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
		if len(p.stack) == 0 || p.stack[len(p.stack)-1] != c {
			p.over, p.broken = true, true
			return
		}
		p.stack = p.stack[:len(p.stack)-1]
		p.safe, p.value = p.read+1, false
		p.over = len(p.stack) == 0
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
			p.escape = -1
		}
	case c == '\\':
		p.escape = p.read
	case c == '"':
		p.inString = false
		if p.value {
			p.safe = p.read + 1
		}
	}
}

// snapshot returns the text so far as JSON.
func (p *partial) snapshot() json.RawMessage {
	b := slices.Clone(p.text[:p.safe])
	if p.inString && p.value {
		end := p.read
		if p.escape >= 0 {
			end = p.escape
		}
		for range utf8.UTFMax - 1 { // a delta may end inside of a character
			if r, n := utf8.DecodeLastRune(p.text[p.safe:end]); r != utf8.RuneError || n != 1 {
				break
			}
			end--
		}
		b = append(append(b, p.text[p.safe:end]...), '"')
	}
	for _, c := range slices.Backward(p.stack) {
		b = append(b, c)
	}
	return b
}
