package validate

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// Limits of an acceptor. Beyond these limits the general path decides.
const (
	maxText     = 1 << 20 // bytes; the general path reads no more
	maxAccepted = 75_000  // weights of the values; the smallest fuel of the general path is larger
	maxOpen     = 60      // nested arrays and objects
	maxOthers   = 32      // members of an object that are not named
)

// A reader reads arguments by rules and writes their canonical text. Its methods report
// false to give up.
type reader struct {
	src   string
	pos   int
	out   []byte
	left  int // weights that may still be used
	depth int
	place int    // length of the place of the current value
	names []span // of members that are not named, in out, of all open objects
}

// space skips white space and returns the next byte, or 0 at the end.
func (r *reader) space() byte {
	for ; r.pos < len(r.src); r.pos++ {
		switch c := r.src[r.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// next skips white space and one byte, and reports whether the byte is c.
func (r *reader) next(c byte) bool {
	if r.space() != c {
		return false
	}
	r.pos++
	return true
}

func (r *reader) value(s *rule) bool {
	if r.left -= s.weight + s.applied*(1+(r.place+r.depth)/8); r.left < 0 || s.unusual {
		return false
	}
	if s.ref != nil {
		return r.value(s.ref)
	}
	if len(s.anyOf) == 0 {
		return r.own(s)
	}
	before := *r
	for _, branch := range s.anyOf {
		if r.value(branch) {
			break
		}
		if r.left < 0 {
			return false
		}
		r.pos, r.out, r.names = before.pos, before.out, before.names
		r.depth, r.place = before.depth, before.place
	}
	if r.pos == before.pos {
		return false
	}
	r.pos, r.out = before.pos, before.out
	return r.own(s)
}

// own reads a value by the keywords of s besides anyOf.
func (r *reader) own(s *rule) bool {
	c, begin := r.space(), len(r.out)
	ok := false
	switch {
	case c == '{':
		ok = s.forms&objectForm != 0 && r.object(s)
	case c == '"':
		runes, read := r.text()
		ok = read && s.forms&stringForm != 0 && s.length.has(runes) && r.fits(s, r.out[begin:])
	case c == '[':
		ok = s.forms&arrayForm != 0 && r.array(s)
	case c == '-' || '0' <= c && c <= '9':
		ok = r.number(s)
	case c == 't':
		ok = s.forms&booleanForm != 0 && r.literal("true")
	case c == 'f':
		ok = s.forms&booleanForm != 0 && r.literal("false")
	case c == 'n':
		ok = s.forms&nullForm != 0 && r.literal("null")
	}
	return ok && contains(s.texts, r.out, begin)
}

func (r *reader) literal(text string) bool {
	if end := r.pos + len(text); end > len(r.src) || r.src[r.pos:end] != text {
		return false
	}
	r.pos += len(text)
	r.out = append(r.out, text...)
	return true
}

// open begins an array or an object.
func (r *reader) open(c byte) bool {
	r.pos++
	r.depth++
	r.out = append(r.out, c)
	return r.depth <= maxOpen
}

// more skips a comma, or the end, and writes either. elements is the number of elements so
// far.
func (r *reader) more(end byte, elements int) (more, ok bool) {
	switch c := r.space(); {
	case c == end:
		r.pos++
		r.depth--
		r.out = append(r.out, end)
		return false, true
	case elements == 0:
		return true, true
	case c == ',':
		r.pos++
		r.out = append(r.out, ',')
		return r.space() != end, r.space() != end
	}
	return false, false
}

func (r *reader) array(s *rule) bool {
	if !r.open('[') {
		return false
	}
	place := r.place
	r.place += 6
	n := 0
	more, ok := r.more(']', n)
	for ; more; n++ {
		if !r.value(s.items) {
			return false
		}
		more, ok = r.more(']', n+1)
	}
	r.place = place
	return ok && s.count.has(n)
}

func (r *reader) object(s *rule) bool {
	if !r.open('{') {
		return false
	}
	place, names := r.place, len(r.names)
	var seen uint64
	n := 0
	more, ok := r.more('}', n)
	for ; more; n++ {
		member, bit, ok2 := r.name(s, n, names)
		if !ok2 || member == nil || seen&bit != 0 || !r.next(':') {
			return false
		}
		seen |= bit
		r.out = append(r.out, ':')
		if !r.value(member) {
			return false
		}
		r.place = place
		more, ok = r.more('}', n+1)
	}
	r.names = r.names[:names]
	return ok && seen&s.required == s.required && s.members.has(n)
}

// name reads the name of a member and returns the rule for the value, and the bit of a
// declared property. n is the number of members before, and others the number of names in
// r.names that belong to other objects.
func (r *reader) name(s *rule, n, others int) (member *rule, bit uint64, ok bool) {
	begin := len(r.out)
	if r.space() != '"' {
		return nil, 0, false
	}
	if _, ok := r.text(); !ok {
		return nil, 0, false
	}
	r.place += len(r.out) - begin
	if n < len(s.named) && string(r.out[begin:]) == s.named[n].text { // models keep the order
		return s.named[n].rule, 1 << n, true
	}
	for i := range s.named {
		if string(r.out[begin:]) == s.named[i].text {
			return s.named[i].rule, 1 << i, true
		}
	}
	r.names = append(r.names, span{begin, len(r.out)})
	if mine := r.names[others:]; len(mine) > maxOthers || repeated(r.out, mine) {
		return nil, 0, false
	}
	return s.others, 0, true
}

// number reads a number in its usual form: no exponent, no -0, no fraction of zero.
func (r *reader) number(s *rule) bool {
	begin := r.pos
	if r.src[r.pos] == '-' {
		r.pos++
	}
	first := r.pos
	r.digits()
	if r.pos == first || r.src[first] == '0' && r.pos > first+1 {
		return false
	}
	form := integerForm
	if r.pos < len(r.src) && r.src[r.pos] == '.' {
		form = fractionForm
		r.pos++
		if significant := r.digits(); !significant {
			return false
		}
	}
	text := r.src[begin:r.pos]
	if text == "-0" || len(text) > tree.MaxNumber || s.forms&form == 0 {
		return false
	}
	if r.pos < len(r.src) && (r.src[r.pos] == 'e' || r.src[r.pos] == 'E' || r.src[r.pos] == '+' || r.src[r.pos] == '-' || r.src[r.pos] == '.') {
		return false
	}
	for _, b := range s.bounds {
		if !b.admits(text, form == integerForm) {
			return false
		}
	}
	r.out = append(r.out, text...)
	return true
}

// digits skips digits and reports whether any digit is not zero.
func (r *reader) digits() (significant bool) {
	for ; r.pos < len(r.src) && '0' <= r.src[r.pos] && r.src[r.pos] <= '9'; r.pos++ {
		significant = significant || r.src[r.pos] != '0'
	}
	return significant
}

// text reads a string, writes its canonical form with quotes, and returns its length in
// runes.
func (r *reader) text() (runes int, ok bool) {
	r.out = append(r.out, '"')
	r.pos++
	begin := r.pos // of the bytes that are not written yet
	for r.pos < len(r.src) {
		switch c := r.src[r.pos]; {
		case c == '"':
			r.out = append(append(r.out, r.src[begin:r.pos]...), '"')
			r.left -= (r.pos - begin) / 64
			r.pos++
			return runes, true
		case c == '\\':
			r.out = append(r.out, r.src[begin:r.pos]...)
			if !r.escape() {
				return 0, false
			}
			begin = r.pos
		case c < ' ':
			return 0, false
		case c < utf8.RuneSelf:
			r.pos++
		default:
			char, size := utf8.DecodeRuneInString(r.src[r.pos:])
			if char == utf8.RuneError && size == 1 {
				return 0, false
			}
			r.pos += size
		}
		runes++
	}
	return 0, false
}

// escape reads an escape and writes the canonical form of its character.
func (r *reader) escape() bool {
	if r.pos+1 >= len(r.src) {
		return false
	}
	switch c := r.src[r.pos+1]; c {
	case '"', '\\', 'n', 'r', 't':
		r.out = append(r.out, '\\', c)
	case '/':
		r.out = append(r.out, '/')
	case 'u':
		return r.codePoint()
	default:
		return false
	}
	r.pos += 2
	return true
}

// codePoint reads \uXXXX or a pair of surrogates.
func (r *reader) codePoint() bool {
	char, ok := r.hex()
	if ok && utf16.IsSurrogate(char) {
		low, both := r.hex()
		char = utf16.DecodeRune(char, low)
		ok = both && char != utf8.RuneError
	}
	if !ok {
		return false
	}
	var room [utf8.UTFMax]byte
	text := rawjson.AppendString(r.out, string(utf8.AppendRune(room[:0], char)))
	at := len(r.out) // the quotes of AppendString are not part of the string
	r.out = append(text[:at], text[at+1:len(text)-1]...)
	return true
}

func (r *reader) hex() (rune, bool) {
	if r.pos+6 > len(r.src) || r.src[r.pos] != '\\' || r.src[r.pos+1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(r.src[r.pos+2:r.pos+6], 16, 16)
	r.pos += 6
	return rune(n), err == nil
}
