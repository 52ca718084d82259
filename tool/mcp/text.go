package mcp

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"
)

// visible is s without what nobody sees: controls but line feeds and tabs, marks of
// direction, characters of no width, tags and selectors of variants, in which text
// can be hidden that only a model reads.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\u2028' || r == '\u2029':
			return '\n'
		case isInvisible(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

func isInvisible(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Variation_Selector) ||
		r >= 0xE0000 && r <= 0xE0FFF || // tags, and what may become more of them
		strings.ContainsRune("\u034F\u115F\u1160\u17B4\u17B5\u3164\uFFA0", r) // fillers, which are letters and marks
}

// deceives reports whether text holds tags or overrides of direction, which no
// name or value of a schema needs.
func deceives(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return r >= 0xE0000 && r <= 0xE0FFF || r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069
	})
}

// line is visible on one line, of at most limit bytes: for logs, errors and notes.
func line(s string, limit int) string {
	s = s[:min(len(s), 4*limit)] // what is hidden in it counts, too
	s = strings.Join(strings.Fields(visible(s)), " ")
	if len(s) > limit {
		s = cut(s, limit) + "…"
	}
	return s
}

// cut returns at most limit bytes of s, ending between runes.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// secrets cuts the values of a server's Env and Header out of text, and what may be
// one in its URL.
type secrets struct {
	cut atomic.Pointer[strings.Replacer]

	mu     sync.Mutex
	values []string
}

const (
	// minSecret is how long a value must be to be one, in bytes: shorter ones, such
	// as "true", would be cut out of everything.
	minSecret = 6
	// minSegment is how long a part of a URL's path, or of a value of several words,
	// must be to be a token.
	minSegment = 20
)

func secretsOf(s Server) *secrets {
	values := slices.Collect(maps.Values(s.Env))
	for v := range maps.Values(s.Header) {
		_, token, _ := strings.Cut(v, " ") // as in "Bearer token"
		values = append(values, v, token)
	}
	hidden := new(secrets)
	hidden.add(append(values, addressSecrets(s.URL)...)...)
	return hidden
}

// addressSecrets are what may be one in a URL: values of a query that are secrets
// by their name or long enough to be a token, and long parts of its path.
func addressSecrets(address string) (values []string) {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	for name, query := range u.Query() {
		secret := slices.ContainsFunc([]string{"key", "token", "secret", "pass", "pwd", "credential", "auth", "sig", "code", "session", "jwt"},
			func(word string) bool { return strings.Contains(strings.ToLower(name), word) })
		values = append(values, slices.DeleteFunc(query, func(v string) bool { return !secret && len(v) < minSegment })...)
	}
	values = append(values, u.RawQuery)
	return append(values, slices.DeleteFunc(strings.Split(u.EscapedPath(), "/"), func(p string) bool { return len(p) < minSegment })...)
}

// add makes more of them known.
func (s *secrets) add(values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range slices.Clone(values) { // a log has one line at a time, as of a key in PEM
		if lines := strings.Fields(v); len(lines) > 1 {
			values = append(values, slices.DeleteFunc(lines, func(l string) bool { return len(l) < minSegment })...)
		}
	}
	s.values = slices.Compact(slices.Sorted(slices.Values(append(s.values, values...))))
	values = slices.Clone(s.values)
	slices.SortFunc(values, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // one may be a part of another
	var pairs []string
	for _, v := range values {
		if len(v) >= minSecret {
			pairs = append(pairs, v, "[redacted]")
		}
	}
	s.cut.Store(strings.NewReplacer(pairs...))
}

func (s *secrets) hide(text string) string { return s.cut.Load().Replace(text) }

// A shownError is another's error in words that may be shown: on one line, bounded,
// without secrets.
type shownError struct {
	text string
	err  error
}

func (e *shownError) Error() string { return e.text }
func (e *shownError) Unwrap() error { return e.err }

const maxErrorText = 1 << 10

func (s *secrets) err(err error) error {
	if err == nil {
		return nil
	}
	return &shownError{line(s.hide(err.Error()), maxErrorText), err}
}

// A diary writes what a server says to the log, at most so much of it.
type diary struct {
	server  string       // its name
	log     *slog.Logger // nil: nothing
	secrets *secrets

	mu     sync.Mutex
	second time.Time
	count  int
	left   int // lines that were left out since the last that was written
}

// linesPerSecond is how much of what a server says is logged.
const linesPerSecond = 50

func (d *diary) write(level slog.Level, message, text string) {
	if d.log == nil {
		return
	}
	left, ok := d.admit(time.Now())
	if !ok {
		return
	}
	attrs := []any{"server", d.server, "text", line(d.secrets.hide(text), 4<<10)}
	if left > 0 {
		attrs = append(attrs, "left_out", left)
	}
	d.log.Log(context.Background(), level, message, attrs...)
}

func (d *diary) admit(now time.Time) (left int, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Sub(d.second) >= time.Second {
		d.second, d.count = now, 0
	}
	if d.count++; d.count > linesPerSecond {
		d.left++
		return 0, false
	}
	left, d.left = d.left, 0
	return left, true
}
