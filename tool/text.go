package tool

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxEcho bounds what is repeated of the model's own words, in runes.
const maxEcho = 80

// safeText is s as the model or a log may read it: valid UTF-8, credentials in
// URLs cut, at most about limit bytes.
func safeText(s string, limit int) string {
	// Far beyond what is shown nothing needs to be looked at; a credential that
	// straddles this first cut is not within the limit.
	near := s[:min(len(s), 16*max(limit, maxMessage))]
	return clipFrom(redact(strings.ToValidUTF8(near, "\uFFFD")), limit, len(s)-len(near))
}

var queryKey = regexp.MustCompile(`(?i)([?&#](?:[\w.-]*[-_.])?(?:api|access|auth|secret|subscription)?(?:key|token|secret|password|passwd|pwd|sig|signature|credential|auth)=)[^&#\s"'<>]+`)

// redact cuts the credentials of URLs: passwords before the @ of a host, and the
// values of query parameters that are named like keys.
func redact(s string) string {
	if !strings.Contains(s, "://") && !strings.ContainsAny(s, "?&#") {
		return s
	}
	return queryKey.ReplaceAllString(cutUserinfo(s, userinfoEnd), "${1}[redacted]")
}

// clipBytes cuts s to about limit bytes, between runes, and says so.
func clipBytes(s string, limit int) string { return clipFrom(s, limit, 0) }

// clipFrom is clipBytes of a text that has so many bytes more than s.
func clipFrom(s string, limit, more int) string {
	if len(s) <= limit && more == 0 {
		return s
	}
	kept := cut(s, limit)
	return kept + "… (" + strconv.Itoa(len(s)-len(kept)+more) + " more bytes)"
}

// clip cuts s to limit runes.
func clip(s string, limit int) string {
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

// quote is s as a JSON string, clipped, with nothing in it that could pass for
// text of ours.
func quote(s string) string {
	s = s[:min(len(s), 4*maxEcho+utf8.UTFMax)] // more than is kept
	s = clip(strings.ToValidUTF8(s, "\uFFFD"), maxEcho)
	for _, r := range s {
		if r == '"' || r == '\\' || !unicode.IsPrint(r) {
			return string(appendString(nil, s))
		}
	}
	return `"` + s + `"`
}
