package validate

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// The character sets of \s, \S and the dot in ECMA, for use in a class. Each set ends in
// a range, so that a following hyphen is literal.
const (
	ecmaSpace    = ` \x{A0}\x{1680}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{FEFF}\t-\r\x{2000}-\x{200A}`
	ecmaNonSpace = `\x{0}-\x{8}\x{E}-\x{1F}!-\x{9F}\x{A1}-\x{167F}\x{1681}-\x{1FFF}\x{200B}-\x{2027}\x{202A}-\x{202E}` +
		`\x{2030}-\x{205E}\x{2060}-\x{2FFF}\x{3001}-\x{FEFE}\x{FF00}-\x{10FFFF}`
	ecmaDot = `\x{0}-\t\v\f\x{E}-\x{2027}\x{202A}-\x{10FFFF}`
	anyRune = `\x{0}-\x{10FFFF}`
)

// dotFlag matches Go's flag s, which ECMA does not have inside of a pattern.
var dotFlag = regexp.MustCompile(`\(\?[imU]*s`)

var errCodePoint = errors.New(`holds a \u escape of no character`)

// fromECMA translates a pattern of ECMA-262, the language of JSON Schema, to Go. Syntax
// that Go does not support is left for Go to refuse.
func fromECMA(written string) (string, error) {
	if !strings.ContainsAny(written, `.[\`) {
		return written, nil
	}
	t := &translator{rest: written, dotAll: dotFlag.MatchString(written)}
	for t.rest != "" {
		if err := t.next(); err != nil {
			return "", err
		}
	}
	return t.out.String(), nil
}

type translator struct {
	rest   string // pattern still to read
	out    strings.Builder
	class  bool // rest begins inside of a class
	dotAll bool
}

// write writes s and skips the next n bytes.
func (t *translator) write(n int, s string) {
	t.out.WriteString(s)
	t.rest = t.rest[n:]
}

func (t *translator) copy(n int) {
	n = min(n, len(t.rest))
	t.write(n, t.rest[:n])
}

// set writes a character set and skips the next n bytes.
func (t *translator) set(n int, s string) {
	if !t.class {
		s = "[" + s + "]"
	}
	t.write(n, s)
}

func (t *translator) next() error {
	c := t.rest[0]
	switch {
	case c == '\\':
		return t.escape()
	case t.class:
		t.inClass(c)
	case c == '[':
		t.open()
	case c == '.' && !t.dotAll:
		t.set(1, ecmaDot)
	default:
		t.copy(1)
	}
	return nil
}

// open enters a class. In ECMA a bracket at the start ends the class, which is then
// empty or matches everything. In Go such a bracket is literal.
func (t *translator) open() {
	switch {
	case strings.HasPrefix(t.rest, "[]"):
		t.write(2, "[^"+anyRune+"]")
		return
	case strings.HasPrefix(t.rest, "[^]"):
		t.write(3, "["+anyRune+"]")
		return
	case strings.HasPrefix(t.rest, "[^"):
		t.copy(1)
	}
	t.copy(1)
	t.class = true
}

func (t *translator) inClass(c byte) {
	name, _, named := strings.Cut(strings.TrimPrefix(t.rest, "[:"), ":]")
	switch {
	case c == ']':
		t.class = false
		t.copy(1)
	case named && strings.HasPrefix(t.rest, "[:"): // named class of Go
		t.copy(len("[::]") + len(name))
	case strings.HasPrefix(t.rest, `-\s`), strings.HasPrefix(t.rest, `-\S`): // not a range
		t.write(1, `\-`)
	default:
		t.copy(1)
	}
}

func (t *translator) escape() error {
	if len(t.rest) < 2 {
		t.copy(1)
		return nil
	}
	switch c := t.rest[1]; {
	case c == 's':
		t.set(2, ecmaSpace)
	case c == 'S':
		t.set(2, ecmaNonSpace)
	case c == 'b' && t.class:
		t.write(2, `\x08`)
	case c == 'c' && len(t.rest) > 2 && t.rest[2] < utf8.RuneSelf && unicode.IsLetter(rune(t.rest[2])):
		t.write(3, fmt.Sprintf(`\x%02X`, t.rest[2]&31))
	case c == 'u':
		return t.codePoint()
	case c == 'Q': // quoted text of Go
		quoted, _, _ := strings.Cut(t.rest, `\E`)
		t.copy(len(quoted) + 2)
	default:
		_, size := utf8.DecodeRuneInString(t.rest[1:])
		t.copy(1 + size)
	}
	return nil
}

// codePoint translates \uXXXX, a surrogate pair, or \u{X…}.
func (t *translator) codePoint() error {
	if inner, braced := strings.CutPrefix(t.rest, `\u{`); braced {
		hex, _, _ := strings.Cut(inner, "}")
		r, err := strconv.ParseInt(hex, 16, 32)
		if err != nil || !utf8.ValidRune(rune(r)) || len(hex) == len(inner) {
			return errCodePoint
		}
		t.write(len(`\u{}`)+len(hex), fmt.Sprintf(`\x{%X}`, r))
		return nil
	}
	p := &tree.Parser{Src: t.rest}
	r, err := p.UnicodeEscape()
	if err != nil {
		return errCodePoint
	}
	t.write(p.Pos, fmt.Sprintf(`\x{%X}`, r))
	return nil
}
