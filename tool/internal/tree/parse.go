package tree

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
)

// Limits bound foreign JSON. Beyond the limits, the libraries need seconds or gigabytes,
// or crash the process.
type Limits struct {
	bytes int // size of the text
	Depth int // nesting of objects and arrays
	Nodes int // number of values of any kind

	allowHalves bool // half of a surrogate pair becomes U+FFFD, as in encoding/json
}

var (
	ArgumentLimits = Limits{bytes: 1 << 20, Depth: 64, Nodes: 100_000}
	// A description that was cut inside of a character must not cost the tool.
	SchemaLimits = Limits{bytes: 256 << 10, Depth: 64, Nodes: 20_000, allowHalves: true}
	// A reflected schema comes from the program and may be larger.
	ReflectedLimits = Limits{bytes: 4 << 20, Depth: 256, Nodes: 200_000}
)

const (
	MaxNumber   = 64  // characters
	MaxExponent = 400 // in both directions; a float64 ends at 308
)

var errCutOff = errors.New("its JSON ends too early (cut off?)")

// Parse parses exactly one JSON value. Errors are clauses for the model. Whole numbers
// get one spelling; see decimal.Canonical.
func Parse(src string, lim Limits) (*Value, error) {
	return (&Parser{Src: src, lim: lim}).document()
}

// ParseLoosely also accepts text that is almost JSON, and adds the repairs to done:
// control characters such as line breaks in strings, a trailing comma, comments.
func ParseLoosely(src string, lim Limits, done *Repairs) (*Value, error) {
	return (&Parser{Src: src, lim: lim, done: done}).document()
}

func (p *Parser) document() (*Value, error) {
	src, lim := p.Src, p.lim
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
	if p.skipSpace(); p.Pos < len(p.Src) {
		return nil, errors.New("there is more after the end of its JSON, at " + p.here() + "; send exactly one JSON object")
	}
	return v, nil
}

// ParseFirst is [ParseLoosely] for a value with other text after its end. end is the
// place where the value ends.
func ParseFirst(src string, lim Limits, done *Repairs) (v *Value, end int, err error) {
	p := &Parser{Src: src, lim: lim, done: done}
	v, err = p.value()
	return v, p.Pos, err
}

type Parser struct {
	Src   string
	Pos   int
	lim   Limits
	nodes int
	path  []string // path of the current value

	done            *Repairs // nil means strict JSON
	commentReported bool     // a comment was reported
	numberEnd       int      // end of the last number
}

func (p *Parser) value() (*Value, error) {
	p.skipSpace()
	if p.Pos == len(p.Src) {
		return nil, errCutOff
	}
	if p.nodes++; p.nodes > p.lim.Nodes {
		return nil, fmt.Errorf("its JSON has more than %d values", p.lim.Nodes)
	}
	switch c := p.Src[p.Pos]; {
	case c == '{':
		return p.object()
	case c == '[':
		return p.array()
	case c == '"':
		s, err := p.string()
		return Text(s), err
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	}
	return p.literal()
}

func (p *Parser) object() (*Value, error) {
	v := Object()
	var seen map[string]bool
	more, err := p.open('}')
	for ; more && err == nil; more, err = p.next('}') {
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		if seen, err = p.checkUnique(seen, v.Members, name); err != nil {
			return nil, err
		}
		m, err := p.below(name)
		if err != nil {
			return nil, err
		}
		v.Members = append(v.Members, Member{name, m})
	}
	return v, err
}

// checkUnique refuses a duplicate name: the decoder would use the last value, and a
// reader of the call might see the first value. A map is used only for many members.
func (p *Parser) checkUnique(seen map[string]bool, members []Member, name string) (map[string]bool, error) {
	if seen == nil && len(members) == 16 {
		seen = make(map[string]bool, 64)
		for _, m := range members {
			seen[m.Name] = true
		}
	}
	duplicate := seen[name]
	for i := 0; seen == nil && i < len(members); i++ {
		duplicate = duplicate || members[i].Name == name
	}
	if duplicate {
		return nil, errors.New("duplicate property " + Quote(name) + " " + p.where())
	}
	if seen != nil {
		seen[name] = true
	}
	return seen, nil
}

func (p *Parser) array() (*Value, error) {
	v := &Value{Form: ArrayForm}
	more, err := p.open(']')
	for ; more && err == nil; more, err = p.next(']') {
		item, err := p.below(strconv.Itoa(len(v.Items)))
		if err != nil {
			return nil, err
		}
		v.Items = append(v.Items, item)
	}
	return v, err
}

// open enters an object or array and reports whether there is a first element.
func (p *Parser) open(end byte) (bool, error) {
	p.Pos++
	if len(p.path) >= p.lim.Depth {
		return false, fmt.Errorf("its JSON is nested more than %d deep", p.lim.Depth)
	}
	if p.skipSpace(); p.Pos < len(p.Src) && p.Src[p.Pos] == end {
		p.Pos++
		return false, nil
	}
	return true, nil
}

// next skips a comma (true) or the end (false).
func (p *Parser) next(end byte) (bool, error) {
	p.skipSpace()
	if p.Pos == len(p.Src) {
		return false, errCutOff
	}
	switch p.Src[p.Pos] {
	case ',':
		p.Pos++
		return !p.endsAfterComma(end), nil
	case end:
		p.Pos++
		return false, nil
	}
	return false, p.unexpected("a comma or " + string(rune(end)))
}

// endsAfterComma reports whether an object or array ends after a comma, and skips the
// end.
func (p *Parser) endsAfterComma(end byte) bool {
	if p.done == nil {
		return false
	}
	if p.skipSpace(); p.Pos == len(p.Src) || p.Src[p.Pos] != end {
		return false
	}
	p.Pos++
	p.report("the comma after the last element was removed")
	return true
}

// report adds a repair of the current value.
func (p *Parser) report(what string) {
	if len(p.done.Done) == maxRepairs {
		p.done.more++
		return
	}
	var at Path
	for _, name := range p.path {
		at = append(at, Step{Name: name, Index: -1})
	}
	p.done.Add(at, what)
}

func (p *Parser) below(step string) (*Value, error) {
	p.path = append(p.path, step)
	v, err := p.value()
	p.path = p.path[:len(p.path)-1]
	return v, err
}

func (p *Parser) name() (string, error) {
	p.skipSpace()
	if p.Pos == len(p.Src) {
		return "", errCutOff
	}
	if p.Src[p.Pos] != '"' {
		return "", p.unexpected("a property name in double quotes")
	}
	name, err := p.string()
	if err != nil {
		return "", err
	}
	if p.skipSpace(); p.Pos == len(p.Src) {
		return "", errCutOff
	}
	if p.Src[p.Pos] != ':' {
		return "", p.unexpected("a colon")
	}
	p.Pos++
	return name, nil
}

func (p *Parser) string() (string, error) {
	start, control := p.Pos+1, false
	for p.Pos = start; p.Pos < len(p.Src); p.Pos++ {
		switch c := p.Src[p.Pos]; {
		case c == '"':
			p.Pos++
			p.reportControl(control)
			return p.Src[start : p.Pos-1], nil
		case c == '\\':
			return p.escaped(start, control)
		case c < ' ' && p.done == nil:
			return "", p.controlCharacter()
		}
		control = control || p.Src[p.Pos] < ' '
	}
	return "", errCutOff
}

// reportControl adds the repair of control characters in a string.
func (p *Parser) reportControl(had bool) {
	if had {
		p.report("line breaks or control characters in a string were escaped")
	}
}

// escaped parses the rest of a string after the first escape.
func (p *Parser) escaped(start int, control bool) (string, error) {
	b := []byte(p.Src[start:p.Pos])
	for p.Pos < len(p.Src) {
		c := p.Src[p.Pos]
		switch {
		case c == '"':
			p.Pos++
			p.reportControl(control)
			return string(b), nil
		case c < ' ' && p.done == nil:
			return "", p.controlCharacter()
		case c != '\\':
			control = control || c < ' '
			b = append(b, c)
			p.Pos++
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

func (p *Parser) controlCharacter() error {
	return errors.New("a string " + p.where() + " holds a line break or control character, which must be escaped (such as \\n)")
}

const escapes = `""\\//b` + "\b" + "f\fn\nr\rt\t" // pairs of escape and character

func (p *Parser) escape() (rune, error) {
	if p.Pos+1 >= len(p.Src) {
		return 0, errCutOff
	}
	c := p.Src[p.Pos+1]
	if c == 'u' {
		return p.UnicodeEscape()
	}
	for i := 0; i < len(escapes); i += 2 {
		if escapes[i] == c {
			p.Pos += 2
			return rune(escapes[i+1]), nil
		}
	}
	return 0, errors.New("a string " + p.where() + " holds an unknown escape; write \\\\ for a backslash")
}

func (p *Parser) UnicodeEscape() (rune, error) {
	r, err := p.hex()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if strings.HasPrefix(p.Src[p.Pos:], `\u`) {
		before := p.Pos
		low, err := p.hex()
		if err != nil {
			return 0, err
		}
		if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
			return both, nil
		}
		p.Pos = before
	}
	if strings.HasPrefix(`\u`, p.Src[p.Pos:]) {
		return 0, errCutOff
	}
	if !p.lim.allowHalves {
		return 0, fmt.Errorf("a string %s holds \\u%04x, half of a surrogate pair, which is not a character", p.where(), r)
	}
	return utf8.RuneError, nil
}

func (p *Parser) hex() (rune, error) {
	if p.Pos+6 > len(p.Src) {
		return 0, errCutOff
	}
	n, err := strconv.ParseUint(p.Src[p.Pos+2:p.Pos+6], 16, 16)
	if err != nil {
		return 0, errors.New("a string " + p.where() + " holds a malformed \\u escape")
	}
	p.Pos += 6
	return rune(n), nil
}

func (p *Parser) literal() (*Value, error) {
	for _, l := range []struct {
		text string
		form form
	}{{"null", NullForm}, {"true", BooleanForm}, {"false", BooleanForm}} {
		rest := p.Src[p.Pos:]
		if strings.HasPrefix(rest, l.text) {
			p.Pos += len(l.text)
			return &Value{Form: l.form, Text: l.text}, nil
		}
		if strings.HasPrefix(l.text, rest) {
			return nil, errCutOff
		}
	}
	return nil, p.unexpected("a JSON value")
}

func (p *Parser) number() (*Value, error) {
	start := p.Pos
	for p.Pos < len(p.Src) && strings.IndexByte("+-.0123456789eE", p.Src[p.Pos]) >= 0 {
		p.Pos++
	}
	raw := p.Src[start:p.Pos]
	if len(raw) > MaxNumber {
		return nil, fmt.Errorf("%s has %d characters; at most %d are read", p.numberHere(raw), len(raw), MaxNumber)
	}
	n, ok := ReadNumber(raw)
	switch {
	case !ok && p.Pos == len(p.Src):
		return nil, errCutOff
	case !ok:
		return nil, errors.New(p.numberHere(raw) + " is malformed")
	case n.Exponent < -MaxExponent || n.Exponent > MaxExponent:
		return nil, errors.New(p.numberHere(raw) + " has an exponent out of range")
	}
	p.nodes += max(n.Exponent, -n.Exponent) / 32 // computing with large exponents takes time
	p.numberEnd = p.Pos
	return Number(n.Canonical(raw)), nil
}

func (p *Parser) numberHere(raw string) string {
	return "the number " + clip.Runes(raw, MaxEcho) + " " + p.where()
}

func (p *Parser) skipSpace() {
	for p.Pos < len(p.Src) && (strings.IndexByte(" \t\r\n", p.Src[p.Pos]) >= 0 || p.skipComment()) {
		p.Pos++
	}
}

// skipComment moves to the last byte of a comment, and reports whether there is a
// comment.
func (p *Parser) skipComment() bool {
	if p.done == nil {
		return false
	}
	length := p.commentLength(p.Src[p.Pos:])
	if length == 0 {
		return false
	}
	p.Pos += length - 1
	if !p.commentReported {
		p.commentReported = true
		p.done.Add(nil, "comments were removed")
	}
	return true
}

// commentLength returns the length of the comment at the start of rest, or 0.
func (p *Parser) commentLength(rest string) int {
	switch {
	case strings.HasPrefix(rest, "/*"):
		if end := strings.Index(rest[2:], "*/"); end >= 0 {
			return end + 4
		}
	case rest[0] == '#', strings.HasPrefix(rest, "//") && !p.isDivision(rest[2:]):
		if end := strings.IndexAny(rest, "\r\n"); end >= 0 {
			return end + 1
		}
	default:
		return 0
	}
	return len(rest) // the comment has no end
}

// isDivision reports whether two slashes after a number may be an operator: 7 // 2 is 3 in
// Python.
func (p *Parser) isDivision(rest string) bool {
	rest = strings.TrimLeft(rest, " \t")
	return p.numberEnd > 0 && strings.Trim(p.Src[p.numberEnd:p.Pos], " \t") == "" && rest != "" && strings.IndexByte("0123456789-(.", rest[0]) >= 0
}

// where describes the place of the current value.
func (p *Parser) where() string {
	if len(p.path) == 0 {
		return "at the top level"
	}
	return "at " + clip.Runes(Pointer(p.path), MaxEcho)
}

func (p *Parser) here() string { return "byte " + strconv.Itoa(p.Pos+1) }

func (p *Parser) unexpected(wanted string) error {
	r, _ := utf8.DecodeRuneInString(p.Src[p.Pos:])
	return fmt.Errorf("its JSON is malformed at %s, %s: got %s where %s was expected", p.here(), p.where(), Quote(string(r)), wanted)
}
