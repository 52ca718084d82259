package tree

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/internal/secret"
)

// MaxMessage bounds the text of a failure for the model, in bytes.
const MaxMessage = 1024

// MaxEcho bounds quotations of the model's own text, in runes.
const MaxEcho = 80

// SafeText prepares s for a model or a log: valid UTF-8, no credentials in URLs, at most
// about limit bytes.
func SafeText(s string, limit int) string {
	// The rest is never shown. A credential that crosses this first cut is beyond the
	// limit, too.
	near := s[:min(len(s), 16*max(limit, MaxMessage))]
	return clip.Counted(secret.Redact(strings.ToValidUTF8(near, "\uFFFD")), limit, len(s)-len(near))
}

// Quote returns s as a clipped JSON string, so that s cannot pass for text of this
// package.
func Quote(s string) string {
	s = s[:min(len(s), 4*MaxEcho+utf8.UTFMax)] // less remains after the next line
	s = clip.Runes(strings.ToValidUTF8(s, "\uFFFD"), MaxEcho)
	for _, r := range s {
		if r == '"' || r == '\\' || !unicode.IsPrint(r) {
			return string(rawjson.AppendString(nil, s))
		}
	}
	return `"` + s + `"`
}
