package tool

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	sj "github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	maxPattern  = 10_000 // the size of one expression, about its instructions
	maxPatterns = 40_000 // of all those of a schema that is not ours
)

var errPatternSize = errors.New("is too large")

// A pattern is an expression that shows as its author wrote it.
type pattern struct {
	*regexp.Regexp
	written string
	size    int
}

func (p *pattern) String() string { return p.written }

// anything stands for a pattern that Go cannot compile.
type anything string

func (a anything) MatchString(string) bool { return true }
func (a anything) String() string          { return string(a) }

func sizeOf(re sj.Regexp) int {
	if p, ok := re.(*pattern); ok {
		return p.size
	}
	return 0
}

var (
	surrogates = regexp.MustCompile(`\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}`)
	codePoint  = regexp.MustCompile(`\\u([0-9a-fA-F]{4})`)

	unicodeClass = regexp.MustCompile(`\\[pP](?:[A-Z]|\{\^?\w+\})`)
)

// strictPattern compiles a pattern as Go writes it, with ECMA's \uXXXX.
func strictPattern(written string) (sj.Regexp, error) {
	p, err := compilePattern(written)
	if err != nil {
		return nil, fmt.Errorf("pattern %s: %w", quote(written), err)
	}
	return p, nil
}

func compilePattern(written string) (*pattern, error) {
	s := surrogates.ReplaceAllStringFunc(written, func(pair string) string {
		p := &parser{src: pair}
		r, err := p.unicodeEscape()
		if err != nil {
			return pair
		}
		return fmt.Sprintf(`\x{%X}`, r)
	})
	s = codePoint.ReplaceAllString(s, `\x{$1}`)
	// A class of Unicode has hundreds of ranges, of which each use has a copy.
	size := 200 * (strings.Count(s, `\p`) + strings.Count(s, `\P`))
	if size+len(s) > maxPattern {
		return nil, errPatternSize
	}
	tree, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		return nil, err
	}
	if size += patternSize(tree); size > maxPattern {
		return nil, errPatternSize
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return nil, err
	}
	return &pattern{re, written, size}, nil
}

// patternSize is about the number of instructions that an expression becomes.
func patternSize(re *syntax.Regexp) int {
	size := 1 + len(re.Rune)/8
	if re.Op == syntax.OpLiteral {
		size = len(re.Rune)
	}
	for _, sub := range re.Sub {
		size += patternSize(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(1, re.Min, re.Max)
	}
	return min(size, maxPatterns+1)
}

// checkPattern is compilePattern for one that is not used.
func checkPattern(written string) error {
	s := codePoint.ReplaceAllString(surrogates.ReplaceAllString(written, "."), `\x{$1}`)
	_, err := syntax.Parse(unicodeClass.ReplaceAllString(s, "."), syntax.Perl)
	return err
}

// patterns compiles those of a schema that is not ours. What Go does not
// understand allows everything, since otherwise a whole tool would be lost to it.
type patterns struct {
	left int
	done map[string]sj.Regexp
}

func (ps *patterns) compile(written string) (sj.Regexp, error) {
	if re, ok := ps.done[written]; ok || ps.left < 0 {
		return cmp.Or[sj.Regexp](re, anything(written)), nil // err tells if there were too many
	}
	var re sj.Regexp = anything(written)
	p, err := compilePattern(written)
	switch {
	case err == nil:
		re = p
		ps.left -= p.size
	case errors.Is(err, errPatternSize):
		ps.left = -1
	}
	ps.done[written] = re
	return re, nil
}

func (ps *patterns) err() error {
	if ps.left < 0 {
		return errors.New("schema: its regular expressions are too large")
	}
	return nil
}
