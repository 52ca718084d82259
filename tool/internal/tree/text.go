package tree

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed-916e8f6a/toolloop/internal/secret"
)

// MaxMessage bounds the text of a failure for the model, in bytes.
const MaxMessage = 1024

// Cut returns at most limit bytes of s and ends between runes.
func Cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// MaxEcho bounds quotations of the model's own text, in runes.
const MaxEcho = 80

// SafeText prepares s for a model or a log: valid UTF-8, no credentials in URLs, at most
// about limit bytes.
func SafeText(s string, limit int) string {
	// The rest is never shown. A credential that crosses this first cut is beyond the
	// limit, too.
	near := s[:min(len(s), 16*max(limit, MaxMessage))]
	return clipFrom(secret.Redact(strings.ToValidUTF8(near, "\uFFFD")), limit, len(s)-len(near))
}

// ClipBytes shortens s to about limit bytes, between runes, and says how much is
// missing.
func ClipBytes(s string, limit int) string { return clipFrom(s, limit, 0) }

// clipFrom is ClipBytes for a text that has more bytes after s.
func clipFrom(s string, limit, more int) string {
	if len(s) <= limit && more == 0 {
		return s
	}
	kept := Cut(s, limit)
	return kept + "… (" + strconv.Itoa(len(s)-len(kept)+more) + " more bytes)"
}

// Clip shortens s to limit runes.
func Clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	n := 0
	for i := range s {
		if n == limit {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

// Quote returns s as a clipped JSON string, so that s cannot pass for text of this
// package.
func Quote(s string) string {
	s = s[:min(len(s), 4*MaxEcho+utf8.UTFMax)] // Clip keeps less than this.
	s = Clip(strings.ToValidUTF8(s, "\uFFFD"), MaxEcho)
	for _, r := range s {
		if r == '"' || r == '\\' || !unicode.IsPrint(r) {
			return string(AppendString(nil, s))
		}
	}
	return `"` + s + `"`
}
