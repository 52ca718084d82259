package mcp

import (
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

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/internal/secret"
)

// visible removes invisible characters: controls except line feeds and tabs,
// directional marks, zero-width characters, tags and variation selectors. They can hide
// text that only a model reads.
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
		r >= 0xE0000 && r <= 0xE0FFF || // tags, and code points reserved for more tags
		strings.ContainsRune("\u034F\u115F\u1160\u17B4\u17B5\u3164\uFFA0", r) // fillers, which Unicode counts among letters and marks
}

// hasDeceptiveChars reports whether a text has tags or directional overrides. No name
// or value of a schema needs them.
func hasDeceptiveChars(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return r >= 0xE0000 && r <= 0xE0FFF || r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069
	})
}

// line returns the visible text on one line of at most limit bytes, for logs, errors
// and notes.
func line(s string, limit int) string {
	s = s[:min(len(s), 4*limit)] // invisible characters may be many
	return clip.Bytes(strings.Join(strings.Fields(visible(s)), " "), limit)
}

// secrets redacts the values of a server's Env and Header, and the likely secrets in
// its URL.
type secrets struct {
	cut atomic.Pointer[strings.Replacer]

	mu     sync.Mutex
	values []string
}

const (
	// minSecret is the minimal length of a secret, in bytes. Shorter values, such as
	// "true", would be redacted everywhere.
	minSecret = 6
	// minSegment is the minimal length of a token in a URL's path, or in a value of
	// several words.
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

// addressSecrets returns the likely secrets in a URL: the password, values of the query
// that are secret by name or as long as a token, and long segments of the path.
func addressSecrets(address string) []string {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	values := append(secret.OfUser(u.User), secret.OfQuery(u.Query())...)
	values = append(values, u.RawQuery)
	for _, query := range u.Query() {
		values = append(values, secret.LongestFirst(query, minSegment)...)
	}
	return append(values, secret.LongestFirst(strings.Split(u.EscapedPath(), "/"), minSegment)...)
}

// add adds secrets.
func (s *secrets) add(values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range slices.Clone(values) { // a log has single lines, for example of a PEM key
		if lines := strings.Fields(v); len(lines) > 1 {
			values = append(values, secret.LongestFirst(lines, minSegment)...)
		}
	}
	s.values = secret.LongestFirst(append(s.values, values...), minSecret)
	var pairs []string
	for _, v := range s.values {
		pairs = append(pairs, v, "[redacted]")
	}
	s.cut.Store(strings.NewReplacer(pairs...))
}

func (s *secrets) hide(text string) string { return s.cut.Load().Replace(text) }

// A redactedError shows an error on one line, bounded and without secrets.
type redactedError struct {
	text string
	err  error
}

func (e *redactedError) Error() string { return e.text }

func (e *redactedError) Unwrap() error { return e.err }

const maxErrorText = 1 << 10

func (s *secrets) err(err error) error {
	if err == nil {
		return nil
	}
	return &redactedError{line(s.hide(err.Error()), maxErrorText), err}
}

// A serverLog logs what a server writes, at a limited rate.
type serverLog struct {
	server  string       // [Server].Name
	log     *slog.Logger // nil means no log
	secrets *secrets

	mu     sync.Mutex
	second time.Time
	count  int
	left   int // lines left out since the last logged line
}

// linesPerSecond bounds the lines that are logged for a server.
const linesPerSecond = 50

func (d *serverLog) write(level slog.Level, message, text string) {
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

func (d *serverLog) admit(now time.Time) (left int, ok bool) {
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
