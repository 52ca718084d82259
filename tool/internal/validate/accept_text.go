package validate

import (
	"bytes"
	"slices"
	"strings"

	sj "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// Dates, ids and codes are usual arguments, so an acceptor reads strings with "pattern" and
// with the usual formats. It does so with the very functions of the general path: the
// compiled pattern of [compilePattern], the library's function of a format, and the reader
// of a Go type. Texts that need an escape are left to the general path.

// PlainFormat begins the names of formats of Go types whose texts, when Read accepts them,
// decode as they are and without a panic.
const PlainFormat = "plain-"

// usualFormats are the formats of the library that an acceptor knows.
var usualFormats = []string{"date-time", "date", "time", "email", "uuid", "uri", "hostname", "ipv4", "ipv6"}

// A textRule holds for strings.
type textRule struct {
	pattern *pattern
	formats []func(any) error
}

// text returns the text rule of r, for a change.
func (r *rule) text() *textRule {
	if r.texted == nil {
		r.texted = new(textRule)
	}
	return r.texted
}

// addPattern adds a "pattern". All patterns of a schema have the bound of the general path.
func (a *acceptor) addPattern(r *rule, v *tree.Value) bool {
	if v.Form != tree.StringForm || a.patterns > maxPatterns {
		return false
	}
	p, err := compilePattern(v.Text)
	if err != nil {
		return false
	}
	a.patterns += p.size
	r.text().pattern = p
	return a.patterns <= maxPatterns
}

// addFormat adds a "format".
func (a *acceptor) addFormat(r *rule, v *tree.Value) bool {
	switch name := v.Str(); {
	case a.names:
		return true
	case a.formats == nil || v.Form != tree.StringForm:
		return false
	case strings.HasPrefix(name, PlainFormat):
		f, known := a.formats[name]
		r.text().formats = append(r.text().formats, f.validate)
		return known && f.Any == nil
	case slices.Contains(usualFormats, name):
		f := libraryFormat(name)
		if f != nil {
			r.text().formats = append(r.text().formats, f)
		}
		return f != nil
	}
	return false
}

// libraryFormat returns the library's function of a format, or nil.
func libraryFormat(name string) func(any) error {
	c := sj.NewCompiler()
	c.DefaultDraft(sj.Draft2020)
	c.AssertFormat()
	if err := c.AddResource(SchemaURL, map[string]any{"format": name}); err != nil {
		return nil
	}
	s, err := c.Compile(SchemaURL)
	if err != nil || s.Format == nil {
		return nil
	}
	return s.Format.Validate
}

// fits reports whether a canonical text, with its quotes, fits the text rule of s.
func (r *reader) fits(s *rule, text []byte) bool {
	if s.texted == nil {
		return true
	}
	inner := text[1 : len(text)-1]
	if bytes.IndexByte(inner, '\\') >= 0 {
		return false
	}
	if p := s.texted.pattern; p != nil {
		if r.left -= len(inner) * p.size / 500; r.left < 0 || !p.Match(inner) {
			return false
		}
	}
	for _, f := range s.texted.formats {
		if f(string(inner)) != nil {
			return false
		}
	}
	return true
}
