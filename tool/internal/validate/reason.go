package validate

import (
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

var (
	goCall = regexp.MustCompile(`(^|: )(?:[a-z]\w*\.(?:\(\*?\w+\)\.)?[A-Z]\w*(?:\((?:"(?:[^"\\]|\\.)*"|[^)"]*)\))?|[A-Z]\w*\("(?:[^"\\]|\\.)*"\)): `)
	goType = regexp.MustCompile(`\*[a-z]\w*\.[A-Z]|json: |Go |reflect`)
)

// Reason returns the text of a type's own error for a model: without the names of Go
// functions, and "" if the error is about Go.
func Reason(err error) string {
	s := clip.Cut(err.Error(), 16*tree.MaxMessage) // the error may repeat all arguments
	if e, ok := errors.AsType[*strconv.NumError](err); ok {
		s = e.Err.Error()
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return ""
	}
	for goCall.MatchString(s) {
		s = goCall.ReplaceAllString(s, "$1")
	}
	if s = strings.TrimSpace(s); s == "" || goType.MatchString(s) {
		return ""
	}
	return ": " + tree.SafeText(s, 2*tree.MaxEcho)
}
