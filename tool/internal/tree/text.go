package tree

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed-916e8f6a/toolloop/internal/secret"
)

// MaxMessage bounds what the model reads of a failure, in bytes.
const MaxMessage = 1024

// Cut returns at most limit bytes of s, ending between runes.
func Cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// MaxEcho bounds what is repeated of the model's own words, in runes.
const MaxEcho = 80

// SafeText is s as the model or a log may read it: valid UTF-8, credentials in
// URLs cut, at most about limit bytes.
func SafeText(s string, limit int) string {
	// Far beyond what is shown nothing needs to be looked at; a credential that
	// straddles this first cut is not within the limit.
	near := s[:min(len(s), 16*max(limit, MaxMessage))]
	return clipFrom(secret.Redact(strings.ToValidUTF8(near, "\uFFFD")), limit, len(s)-len(near))
}

// ClipBytes cuts s to about limit bytes, between runes, and says so.
func ClipBytes(s string, limit int) string { return clipFrom(s, limit, 0) }

// clipFrom is clipBytes of a text that has so many bytes more than s.
func clipFrom(s string, limit, more int) string {
	if len(s) <= limit && more == 0 {
		return s
	}
	kept := Cut(s, limit)
	return kept + "… (" + strconv.Itoa(len(s)-len(kept)+more) + " more bytes)"
}

// Clip cuts s to limit runes.
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

// Quote is s as a JSON string, clipped, with nothing in it that could pass for
// text of ours.
func Quote(s string) string {
	s = s[:min(len(s), 4*MaxEcho+utf8.UTFMax)] // more than is kept
	s = Clip(strings.ToValidUTF8(s, "\uFFFD"), MaxEcho)
	for _, r := range s {
		if r == '"' || r == '\\' || !unicode.IsPrint(r) {
			return string(AppendString(nil, s))
		}
	}
	return `"` + s + `"`
}
