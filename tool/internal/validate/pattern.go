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
	maxPattern  = 10_000 // instructions of one pattern, approximately
	maxPatterns = 40_000 // instructions of all patterns of a schema from elsewhere
)

var errPatternSize = errors.New("is too large")

// A pattern is a compiled pattern with its source text.
type pattern struct {
	*regexp.Regexp
	written string
	size    int
}

func (p *pattern) String() string { return p.written }

// MatchAll stands for a pattern that Go cannot compile, and matches everything; see
// [keywords.relax].
type MatchAll string

func (a MatchAll) MatchString(string) bool { return true }

func (a MatchAll) String() string { return string(a) }

func sizeOf(re sj.Regexp) int {
	if p, ok := re.(*pattern); ok {
		return p.size
	}
	return 0
}

// largeEscape matches the escapes that checkPattern replaces, and also an escaped
// backslash, so that no match begins in the middle.
var largeEscape = regexp.MustCompile(`\\\\|\\[pP](?:[A-Z]|\{\^?\w+\})|(?:\\u[dD][89abAB][0-9a-fA-F]{2})?\\u[0-9a-fA-F]{4}`)

// StrictPattern compiles a pattern, and refuses a pattern that Go cannot compile.
func StrictPattern(written string) (sj.Regexp, error) {
	p, err := compilePattern(written)
	if err != nil {
		return nil, fmt.Errorf("pattern %s: %w", tree.Quote(written), err)
	}
	return p, nil
}

func compilePattern(written string) (*pattern, error) {
	// A Unicode class has hundreds of ranges, and each use copies them.
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

// patternSize estimates the number of instructions of a pattern.
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

// checkPattern validates the syntax of a pattern that is never used. Large classes are
// replaced by a dot.
func checkPattern(written string) error {
	if strings.Contains(written, `\`) {
		written = largeEscape.ReplaceAllStringFunc(written, shrinkEscape)
	}
	_, err := syntax.Parse(written, syntax.Perl)
	return err
}

func shrinkEscape(escape string) string {
	switch {
	case escape == `\\`:
		return escape
	case len(escape) == len(`\uXXXX`) && escape[1] == 'u':
		return `\x{` + escape[2:] + `}`
	}
	return "."
}

// patterns compiles the patterns of a schema from elsewhere. A pattern that Go does not
// understand matches everything, because otherwise the whole tool would be lost.
type patterns struct {
	left int
	done map[string]sj.Regexp
}

func (ps *patterns) compile(written string) (sj.Regexp, error) {
	if re, ok := ps.done[written]; ok || ps.left < 0 {
		return cmp.Or[sj.Regexp](re, MatchAll(written)), nil // err reports too many patterns
	}
	var re sj.Regexp = MatchAll(written)
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
