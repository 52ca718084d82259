package tool

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// limits bound what is read of JSON that others wrote. Beyond them the
// libraries behind us take seconds, gigabytes, or the process down.
type limits struct {
	bytes int // of the text
	depth int // of objects and arrays in one another
	nodes int // values, of any kind

	halves bool // half of a surrogate pair is read as U+FFFD, as encoding/json does
}

var (
	argumentLimits = limits{bytes: 1 << 20, depth: 64, nodes: 100_000}
	// A description that was cut in the middle of a character does not cost the tool.
	schemaLimits = limits{bytes: 256 << 10, depth: 64, nodes: 20_000, halves: true}
	// A schema of ours may be larger: it comes from the program.
	reflectedLimits = limits{bytes: 4 << 20, depth: 256, nodes: 200_000}
)

const (
	maxNumber   = 64  // characters
	maxExponent = 400 // either way; a float64 ends at 308
)

var errCutOff = errors.New("its JSON ends too early (cut off?)")

// parse reads one JSON value and nothing else. Its errors are clauses for the
// model. Numbers come out in one spelling where they are whole; see canonical.
func parse(src string, lim limits) (*value, error) {
	return (&parser{src: src, lim: lim}).document()
}

// parseLoosely reads what is not quite JSON, too, where it can be read in one way
// only, and tells done of it: line breaks and other control characters in strings,
// a comma behind the last element, comments.
func parseLoosely(src string, lim limits, done *repairs) (*value, error) {
	return (&parser{src: src, lim: lim, done: done}).document()
}

func (p *parser) document() (*value, error) {
	src, lim := p.src, p.lim
	if len(src) > lim.bytes {
		return nil, fmt.Errorf("its JSON has %d bytes; at most %d are read", len(src), lim.bytes)
	}
	if !utf8.ValidString(src) {
		return nil, errors.New("its JSON is not valid UTF-8")
	}
	v, err := p.value()
	if err != nil {
		return nil, err
	}
	if p.skipSpace(); p.pos < len(p.src) {
		return nil, errors.New("there is more after the end of its JSON, at " + p.here() + "; send exactly one JSON object")
	}
	return v, nil
}

type parser struct {
	src   string
	pos   int
	lim   limits
	nodes int
	path  []string // where the value that is being read stands

	done    *repairs // nil: nothing but JSON is read
	comment bool     // one was told
	behind  int      // where the last number ends
}

func (p *parser) value() (*value, error) {
	p.skipSpace()
	if p.pos == len(p.src) {
		return nil, errCutOff
	}
	if p.nodes++; p.nodes > p.lim.nodes {
		return nil, fmt.Errorf("its JSON has more than %d values", p.lim.nodes)
	}
	switch c := p.src[p.pos]; {
	case c == '{':
		return p.object()
	case c == '[':
		return p.array()
	case c == '"':
		s, err := p.string()
		return text(s), err
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	}
	return p.literal()
}

func (p *parser) object() (*value, error) {
	v := object()
	var seen map[string]bool
	more, err := p.open('}')
	for ; more && err == nil; more, err = p.next('}') {
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		if seen, err = p.once(seen, v.members, name); err != nil {
			return nil, err
		}
		m, err := p.below(name)
		if err != nil {
			return nil, err
		}
		v.members = append(v.members, member{name, m})
	}
	return v, err
}

// once refuses a name that the object has already: the decoder would take the
// last and a person who reads the call the first. Few members need no map.
func (p *parser) once(seen map[string]bool, members []member, name string) (map[string]bool, error) {
	if seen == nil && len(members) == 16 {
		seen = make(map[string]bool, 64)
		for _, m := range members {
			seen[m.name] = true
		}
	}
	duplicate := seen[name]
	for i := 0; seen == nil && i < len(members); i++ {
		duplicate = duplicate || members[i].name == name
	}
	if duplicate {
		return nil, errors.New("duplicate property " + quote(name) + " " + p.where())
	}
	if seen != nil {
		seen[name] = true
	}
	return seen, nil
}

func (p *parser) array() (*value, error) {
	v := &value{form: arrayForm}
	more, err := p.open(']')
	for ; more && err == nil; more, err = p.next(']') {
		item, err := p.below(strconv.Itoa(len(v.items)))
		if err != nil {
			return nil, err
		}
		v.items = append(v.items, item)
	}
	return v, err
}

// open enters an object or array and reports whether it has a first element.
func (p *parser) open(end byte) (bool, error) {
	p.pos++
	if len(p.path) >= p.lim.depth {
		return false, fmt.Errorf("its JSON is nested more than %d deep", p.lim.depth)
	}
	if p.skipSpace(); p.pos < len(p.src) && p.src[p.pos] == end {
		p.pos++
		return false, nil
	}
	return true, nil
}

// next goes past a comma (true) or the end (false).
func (p *parser) next(end byte) (bool, error) {
	p.skipSpace()
	if p.pos == len(p.src) {
		return false, errCutOff
	}
	switch p.src[p.pos] {
	case ',':
		p.pos++
		return !p.endsAfterComma(end), nil
	case end:
		p.pos++
		return false, nil
	}
	return false, p.unexpected("a comma or " + string(rune(end)))
}

// endsAfterComma reports whether an object or array ends behind a comma, and goes past
// the end.
func (p *parser) endsAfterComma(end byte) bool {
	if p.done == nil {
		return false
	}
	if p.skipSpace(); p.pos == len(p.src) || p.src[p.pos] != end {
		return false
	}
	p.pos++
	p.tell("the comma behind the last element was left out")
	return true
}

// tell notes a repair of the value that is being read.
func (p *parser) tell(what string) {
	if len(p.done.told) == maxRepairs {
		p.done.more++
		return
	}
	var at path
	for _, name := range p.path {
		at = append(at, step{name: name, index: -1})
	}
	p.done.add(at, what)
}

func (p *parser) below(step string) (*value, error) {
	p.path = append(p.path, step)
	v, err := p.value()
	p.path = p.path[:len(p.path)-1]
	return v, err
}

func (p *parser) name() (string, error) {
	p.skipSpace()
	if p.pos == len(p.src) {
		return "", errCutOff
	}
	if p.src[p.pos] != '"' {
		return "", p.unexpected("a property name in double quotes")
	}
	name, err := p.string()
	if err != nil {
		return "", err
	}
	if p.skipSpace(); p.pos == len(p.src) {
		return "", errCutOff
	}
	if p.src[p.pos] != ':' {
		return "", p.unexpected("a colon")
	}
	p.pos++
	return name, nil
}

func (p *parser) string() (string, error) {
	start, control := p.pos+1, false
	for p.pos = start; p.pos < len(p.src); p.pos++ {
		switch c := p.src[p.pos]; {
		case c == '"':
			p.pos++
			p.tellControl(control)
			return p.src[start : p.pos-1], nil
		case c == '\\':
			return p.escaped(start, control)
		case c < ' ' && p.done == nil:
			return "", p.controlCharacter()
		}
		control = control || p.src[p.pos] < ' '
	}
	return "", errCutOff
}

// tellControl notes that a string had control characters, which stand for themselves.
func (p *parser) tellControl(had bool) {
	if had {
		p.tell("line breaks or control characters in a string were escaped")
	}
}

// escaped reads a string from its first escape on.
func (p *parser) escaped(start int, control bool) (string, error) {
	b := []byte(p.src[start:p.pos])
	for p.pos < len(p.src) {
		c := p.src[p.pos]
		switch {
		case c == '"':
			p.pos++
			p.tellControl(control)
			return string(b), nil
		case c < ' ' && p.done == nil:
			return "", p.controlCharacter()
		case c != '\\':
			control = control || c < ' '
			b = append(b, c)
			p.pos++
			continue
		}
		r, err := p.escape()
		if err != nil {
			return "", err
		}
		b = utf8.AppendRune(b, r)
	}
	return "", errCutOff
}

func (p *parser) controlCharacter() error {
	return errors.New("a string " + p.where() + " holds a line break or control character, which must be escaped (such as \\n)")
}

const escapes = `""\\//b` + "\b" + "f\fn\nr\rt\t" // pairs of what is written and what it means

func (p *parser) escape() (rune, error) {
	if p.pos+1 >= len(p.src) {
		return 0, errCutOff
	}
	c := p.src[p.pos+1]
	if c == 'u' {
		return p.unicodeEscape()
	}
	for i := 0; i < len(escapes); i += 2 {
		if escapes[i] == c {
			p.pos += 2
			return rune(escapes[i+1]), nil
		}
	}
	return 0, errors.New("a string " + p.where() + " holds an unknown escape; write \\\\ for a backslash")
}

func (p *parser) unicodeEscape() (rune, error) {
	r, err := p.hex()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if strings.HasPrefix(p.src[p.pos:], `\u`) {
		before := p.pos
		low, err := p.hex()
		if err != nil {
			return 0, err
		}
		if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
			return both, nil
		}
		p.pos = before
	}
	if strings.HasPrefix(`\u`, p.src[p.pos:]) {
		return 0, errCutOff
	}
	if !p.lim.halves {
		return 0, fmt.Errorf("a string %s holds \\u%04x, half of a surrogate pair, which is no character", p.where(), r)
	}
	return utf8.RuneError, nil
}

func (p *parser) hex() (rune, error) {
	if p.pos+6 > len(p.src) {
		return 0, errCutOff
	}
	n, err := strconv.ParseUint(p.src[p.pos+2:p.pos+6], 16, 16)
	if err != nil {
		return 0, errors.New("a string " + p.where() + " holds a malformed \\u escape")
	}
	p.pos += 6
	return rune(n), nil
}

func (p *parser) literal() (*value, error) {
	for _, l := range []struct {
		text string
		form form
	}{{"null", nullForm}, {"true", booleanForm}, {"false", booleanForm}} {
		rest := p.src[p.pos:]
		if strings.HasPrefix(rest, l.text) {
			p.pos += len(l.text)
			return &value{form: l.form, text: l.text}, nil
		}
		if strings.HasPrefix(l.text, rest) {
			return nil, errCutOff
		}
	}
	return nil, p.unexpected("a JSON value")
}

func (p *parser) number() (*value, error) {
	start := p.pos
	for p.pos < len(p.src) && strings.IndexByte("+-.0123456789eE", p.src[p.pos]) >= 0 {
		p.pos++
	}
	raw := p.src[start:p.pos]
	if len(raw) > maxNumber {
		return nil, fmt.Errorf("%s has %d characters; at most %d are read", p.numberHere(raw), len(raw), maxNumber)
	}
	n, ok := readNumber(raw)
	switch {
	case !ok && p.pos == len(p.src):
		return nil, errCutOff
	case !ok:
		return nil, errors.New(p.numberHere(raw) + " is malformed")
	case n.exponent < -maxExponent || n.exponent > maxExponent:
		return nil, errors.New(p.numberHere(raw) + " has an exponent out of range")
	}
	p.nodes += max(n.exponent, -n.exponent) / 32 // to compute with it takes as long
	p.behind = p.pos
	return number(n.canonical(raw)), nil
}

func (p *parser) numberHere(raw string) string {
	return "the number " + clip(raw, maxEcho) + " " + p.where()
}

func (p *parser) skipSpace() {
	for p.pos < len(p.src) && (strings.IndexByte(" \t\r\n", p.src[p.pos]) >= 0 || p.skipComment()) {
		p.pos++
	}
}

// skipComment goes to the last byte of a comment, and reports whether there is one.
func (p *parser) skipComment() bool {
	if p.done == nil {
		return false
	}
	length := p.commentLength(p.src[p.pos:])
	if length == 0 {
		return false
	}
	p.pos += length - 1
	if !p.comment {
		p.comment = true
		p.done.add(nil, "comments were left out")
	}
	return true
}

// commentLength returns how long the comment is with which rest begins; 0: there is
// none.
func (p *parser) commentLength(rest string) int {
	switch {
	case strings.HasPrefix(rest, "/*"):
		if end := strings.Index(rest[2:], "*/"); end >= 0 {
			return end + 4
		}
	case rest[0] == '#', strings.HasPrefix(rest, "//") && !p.divides(rest[2:]):
		if end := strings.IndexAny(rest, "\r\n"); end >= 0 {
			return end + 1
		}
	default:
		return 0
	}
	return len(rest) // it does not end
}

// divides reports whether two slashes behind a number on its line may be an operator:
// 7 // 2 is 3 in Python.
func (p *parser) divides(rest string) bool {
	rest = strings.TrimLeft(rest, " \t")
	return p.behind > 0 && strings.Trim(p.src[p.behind:p.pos], " \t") == "" && rest != "" && strings.IndexByte("0123456789-(.", rest[0]) >= 0
}

// where names the place of the value that is being read.
func (p *parser) where() string {
	if len(p.path) == 0 {
		return "at the top level"
	}
	return "at " + clip(pointer(p.path), maxEcho)
}

func (p *parser) here() string { return "byte " + strconv.Itoa(p.pos+1) }

func (p *parser) unexpected(wanted string) error {
	r, _ := utf8.DecodeRuneInString(p.src[p.pos:])
	return fmt.Errorf("its JSON is malformed at %s, %s: got %s where %s was expected", p.here(), p.where(), quote(string(r)), wanted)
}
