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
	if len(s) > 16*maxMessage && limit <= maxMessage {
		s = s[:16*maxMessage]
	}
	return clipBytes(redact(strings.ToValidUTF8(s, "\uFFFD")), limit)
}

var (
	// userinfo finds, in this order: what stands before an @ in the place of a
	// host, without the marks that end a URL in a list; a name, a colon and what
	// follows without a blank; the same with blanks in it.
	userinfo = regexp.MustCompile(`(?:\b[A-Za-z][\w+.-]*)?://[^\s/?#"'<>,;|(){}\[\]]+@` +
		`|(?:\b[A-Za-z][\w+.-]*)?://[^\s/?#@:"'<>]+:[^\s"'<>]*@` +
		`|(?:\b[A-Za-z][\w+.-]*)?://[^\s/?#@:"'<>]+:[^\s"'<>][^\n"'<>@]{0,100}@`)
	// A port and an @ further on are no credentials. In an address of the web the
	// @ may be in the path; in any other a slash belongs to the password, unless
	// there is a blank behind it. What has brackets is a host.
	port = regexp.MustCompile(`^[\w+.-]*://[^:]*:[0-9]+(?:[?#\s]|/\S*\s)|^(?i:https?|wss?)://[^:]*:[0-9]+/` +
		`|^[\w+.-]*://\[[0-9A-Fa-f:.]+\](?::[0-9]+)?[/?#\s]`)
	// login is the name of a user where a protocol has no password in its URLs.
	login = regexp.MustCompile(`^(?i:(?:[\w.-]+\+)?ssh|ssh\+[\w.-]+|sftp)://[^:]*@$`)
	// digest names content behind an @, as in docker-pullable://nginx@sha256:…
	digest   = regexp.MustCompile(`^sha(?:256|384|512):[0-9a-f]`)
	queryKey = regexp.MustCompile(`(?i)([?&#](?:[\w.-]*[-_.])?(?:api|access|auth|secret|subscription)?(?:key|token|secret|password|passwd|pwd|sig|signature|credential|auth)=)[^&#\s"'<>]+`)
)

// redact cuts the credentials of URLs: what stands before the @ of a host, and
// the values of query parameters that are named like keys.
func redact(s string) string {
	if !strings.Contains(s, "://") && !strings.ContainsAny(s, "?&#") {
		return s
	}
	return queryKey.ReplaceAllString(cutUserinfo(s), "${1}[redacted]")
}

// cutUserinfo cuts what stands before the @ of a host in URLs.
func cutUserinfo(s string) string {
	if !strings.Contains(s, "://") || !strings.Contains(s, "@") {
		return s
	}
	var b strings.Builder
	done := 0
	for _, at := range userinfo.FindAllStringIndex(s, -1) {
		found := s[at[0]:at[1]]
		if port.MatchString(found) || login.MatchString(found) || digest.MatchString(s[at[1]:]) {
			continue
		}
		scheme, _, _ := strings.Cut(found, "://")
		b.WriteString(s[done:at[0]] + scheme + "://[redacted]@")
		done = at[1]
	}
	return b.String() + s[done:]
}

// clipBytes cuts s to about limit bytes, between runes, and says so.
func clipBytes(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	kept := cut(s, limit)
	return kept + "… (" + strconv.Itoa(len(s)-len(kept)) + " more bytes)"
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
