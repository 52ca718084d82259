package validate

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	sj "github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
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

// Anything stands for a pattern that Go cannot compile; see [keywords.forgive].
type Anything string

func (a Anything) MatchString(string) bool { return true }

func (a Anything) String() string { return string(a) }

func sizeOf(re sj.Regexp) int {
	if p, ok := re.(*pattern); ok {
		return p.size
	}
	return 0
}

// looked matches what checkPattern replaces, and an escaped backslash, in which
// no other escape begins.
var looked = regexp.MustCompile(`\\\\|\\[pP](?:[A-Z]|\{\^?\w+\})|(?:\\u[dD][89abAB][0-9a-fA-F]{2})?\\u[0-9a-fA-F]{4}`)

// StrictPattern compiles a pattern that Go can say.
func StrictPattern(written string) (sj.Regexp, error) {
	p, err := compilePattern(written)
	if err != nil {
		return nil, fmt.Errorf("pattern %s: %w", tree.Quote(written), err)
	}
	return p, nil
}

func compilePattern(written string) (*pattern, error) {
	// A class of Unicode has hundreds of ranges, of which each use has a copy.
	size := 200 * (strings.Count(written, `\p`) + strings.Count(written, `\P`))
	if size+len(written) > maxPattern {
		return nil, errPatternSize
	}
	s, err := fromECMA(written)
	if err != nil {
		return nil, err
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

// checkPattern is compilePattern for one that is not used. What would become
// large is looked at as a dot.
func checkPattern(written string) error {
	if strings.Contains(written, `\`) {
		written = looked.ReplaceAllStringFunc(written, lookAt)
	}
	_, err := syntax.Parse(written, syntax.Perl)
	return err
}

func lookAt(escape string) string {
	switch {
	case escape == `\\`:
		return escape
	case len(escape) == len(`\uXXXX`) && escape[1] == 'u':
		return `\x{` + escape[2:] + `}`
	}
	return "."
}

// patterns compiles those of a schema that is not ours. What Go does not
// understand allows everything, since otherwise a whole tool would be lost to it.
type patterns struct {
	left int
	done map[string]sj.Regexp
}

func (ps *patterns) compile(written string) (sj.Regexp, error) {
	if re, ok := ps.done[written]; ok || ps.left < 0 {
		return cmp.Or[sj.Regexp](re, Anything(written)), nil // err tells if there were too many
	}
	var re sj.Regexp = Anything(written)
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
