package sample

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

var codePoint = regexp.MustCompile(`\\u([0-9a-fA-F]{4})`)

// goPattern converts an ECMAScript pattern to the syntax of Go.
func goPattern(pattern string) string { return codePoint.ReplaceAllString(pattern, `\x{$1}`) }

// An expression is a pattern that Go can compile.
type expression struct {
	*regexp.Regexp
	tree *syntax.Regexp
}

func compile(pattern string) (expression, error) {
	re, err := regexp.Compile(goPattern(pattern))
	if err != nil {
		return expression{}, err
	}
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	return expression{re, tree}, err
}

// compiled leaves out patterns that Go cannot compile: tools ignore such
// patterns, too.
func compiled(patterns []string) []expression {
	var known []expression
	for _, pattern := range patterns {
		if e, err := compile(pattern); err == nil {
			known = append(known, e)
		}
	}
	return known
}

// matching makes a text that matches an expression. Unbounded repetitions repeat
// at most more times. matching ignores assertions.
func (g *generator) matching(e expression, more int) (string, error) {
	var b strings.Builder
	err := g.match(&b, e.tree, more)
	return b.String(), err
}

const maxMatch = 1 << 16 // bytes

func (g *generator) match(b *strings.Builder, re *syntax.Regexp, more int) error {
	if b.Len() > maxMatch {
		return errors.New("its pattern makes a text that is too long")
	}
	switch re.Op {
	case syntax.OpNoMatch:
		return errors.New("its pattern matches nothing")
	case syntax.OpLiteral:
		g.literal(b, re)
	case syntax.OpCharClass:
		b.WriteRune(g.character(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteRune(rune('a' + g.rand.IntN(26)))
	case syntax.OpConcat, syntax.OpCapture:
		for _, sub := range re.Sub {
			if err := g.match(b, sub, more); err != nil {
				return err
			}
		}
	case syntax.OpAlternate:
		return g.match(b, re.Sub[g.rand.IntN(len(re.Sub))], more)
	case syntax.OpStar:
		return g.repeat(b, re.Sub[0], 0, more, more)
	case syntax.OpPlus:
		return g.repeat(b, re.Sub[0], 1, 1+more, more)
	case syntax.OpQuest:
		return g.repeat(b, re.Sub[0], 0, 1, more)
	case syntax.OpRepeat:
		most := re.Max
		if most < 0 {
			most = re.Min + more
		}
		return g.repeat(b, re.Sub[0], re.Min, most, more)
	}
	return nil
}

func (g *generator) repeat(b *strings.Builder, re *syntax.Regexp, least, most, more int) error {
	for range least + g.rand.IntN(most-least+1) {
		if err := g.match(b, re, more); err != nil {
			return err
		}
	}
	return nil
}

func (g *generator) literal(b *strings.Builder, re *syntax.Regexp) {
	for _, r := range re.Rune {
		if re.Flags&syntax.FoldCase != 0 && g.rand.IntN(2) == 0 {
			r = unicode.SimpleFold(r)
		}
		b.WriteRune(r)
	}
}

// character chooses from ranges: a printable ASCII character if there is any.
func (g *generator) character(ranges []rune) rune {
	if typed := clamp(ranges, ' ', '~'); len(typed) > 0 {
		ranges = typed
	} else if whole := slices.Concat(clamp(ranges, 0, 0xD7FF), clamp(ranges, 0xE000, utf8.MaxRune)); len(whole) > 0 {
		ranges = whole // without surrogates
	}
	total := 0
	for i := 0; i < len(ranges); i += 2 {
		total += int(ranges[i+1]-ranges[i]) + 1
	}
	n := rune(g.rand.IntN(max(total, 1)))
	for i := 0; i < len(ranges); i += 2 {
		size := ranges[i+1] - ranges[i] + 1
		if n < size {
			return ranges[i] + n
		}
		n -= size
	}
	return 'a'
}

// clamp returns the parts of the ranges from low to high.
func clamp(ranges []rune, low, high rune) []rune {
	var out []rune
	for i := 0; i < len(ranges); i += 2 {
		if lo, hi := max(ranges[i], low), min(ranges[i+1], high); lo <= hi {
			out = append(out, lo, hi)
		}
	}
	return out
}
