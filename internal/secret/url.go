package secret

import (
	"regexp"
	"strings"
)

var queryKey = regexp.MustCompile(`(?i)([?&#](?:[\w.-]*[-_.])?(?:api|access|auth|secret|subscription)?(?:key|token|secret|password|passwd|pwd|sig|signature|credential|auth)=)[^&#\s"'<>]+`)

// Redact cuts the credentials of URLs: passwords before the @ of a host, and the
// values of query parameters that are named like keys.
func Redact(s string) string {
	if !strings.Contains(s, "://") && !strings.ContainsAny(s, "?&#") {
		return s
	}
	return queryKey.ReplaceAllString(CutUserinfo(s, userinfoEnd), "${1}[redacted]")
}

// maxUserinfo is how far behind :// credentials are looked for, in bytes.
const maxUserinfo = 4 << 10

var (
	// A port and an @ further on are no credentials. In an address of the web the
	// @ may be in the path; in any other a slash belongs to the password, unless
	// there is a blank behind it. What has brackets is a host.
	port = regexp.MustCompile(`^[\w+.-]*://[^:]*:[0-9]+(?:[?#\s]|/\S*\s)|^(?i:https?|wss?)://[^:]*:[0-9]+/` +
		`|^[\w+.-]*://\[[0-9A-Fa-f:.]+\](?::[0-9]+)?[/?#\s]`)
	// digest names content behind an @, as in docker-pullable://nginx@sha256:…
	digest = regexp.MustCompile(`^sha(?:256|384|512):[0-9a-f]`)
	// name is a user without a password, as in https://ann@dev.azure.com, or a key
	// that is no secret, as in enode://6f8a…@10.0.0.1; token is a secret in the place
	// of a name, which its issuer marks as one.
	name  = regexp.MustCompile(`^[\w+.-]*://[^:]*@$`)
	token = regexp.MustCompile(`://(?:gh[pousr]_|github_pat_|glpat-)\w+@$`)
	// template is where a program or a person fills in the password.
	template = regexp.MustCompile(`:(?:\$\w+|\$\{[^}]*\}|\$\([^)]*\)|\{[^}]*\}|\{\{[^}]*\}\}|%[a-z]|\*+|\.\.\.|…)@$`)
)

// CutUserinfo cuts a password before the host of a URL, and the name of its user
// with it. end finds both. Regular expressions see only what may be one: a result
// can be long.
func CutUserinfo(s string, end func(string) int) string {
	if !strings.Contains(s, "@") {
		return s
	}
	var b strings.Builder
	done := 0
	for from := 0; ; {
		i := strings.Index(s[from:], "://")
		if i < 0 {
			return b.String() + s[done:]
		}
		scheme := schemeStart(s, from, from+i)
		from += i + len("://")
		n := end(s[from:min(len(s), from+maxUserinfo)])
		if n == 0 || isHonest(s[scheme:from+n], s[from+n:]) {
			continue
		}
		b.WriteString(s[done:from] + "[redacted]@")
		from += n
		done = from
	}
}

// isHonest reports whether what looks like credentials, up to its @, is none.
func isHonest(found, behind string) bool {
	return port.MatchString(found) || name.MatchString(found) && !token.MatchString(found) ||
		template.MatchString(found) || digest.MatchString(behind)
}

// schemeStart returns where the scheme begins that ends at end.
func schemeStart(s string, from, end int) int {
	for end > from && (isWord(s[end-1]) || strings.IndexByte("+.-", s[end-1]) >= 0) {
		end--
	}
	return end
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

const (
	blanks = " \t\n\f\r"
	quotes = `"'<>`
	lists  = ",;|(){}[]" // marks that end a URL in a list
)

// userinfoEnd returns the end of what may be credentials that s begins with, behind
// their @; 0 if there are none. It is for errors: rather too much is cut of them
// than too little. Credentials are, in this order: what stands before an @ in the
// place of a host, without the marks of lists; a name, a colon and what follows
// without a blank; the same with blanks in it.
func userinfoEnd(s string) int {
	if strings.IndexByte(s, '@') < 0 {
		return 0
	}
	host := until(s, blanks+quotes+"/?#"+lists)
	if at := strings.LastIndexByte(host, '@'); at > 0 {
		return at + 1
	}
	name := len(until(s, blanks+quotes+"/?#@:"))
	if name == 0 || name == len(s) || s[name] != ':' {
		return 0
	}
	password := s[name+1:]
	run := until(password, blanks+quotes)
	if at := strings.LastIndexByte(run, '@'); at >= 0 {
		return name + 1 + at + 1
	}
	if at := len(until(password, "\n@"+quotes)); run != "" && at <= 101 && at < len(password) && password[at] == '@' {
		return name + 1 + at + 1
	}
	return 0
}

// listed is a port, or the end of a URL in a list, and not the begin of a password.
var listed = regexp.MustCompile(`^[0-9]*[` + regexp.QuoteMeta(lists) + `]`)

// PasswordEnd is userinfoEnd for results, which models work with and write back:
// nothing is cut of them that is not surely a password, where the syntax of URLs
// has it.
func PasswordEnd(s string) int {
	if strings.IndexByte(s, '@') < 0 {
		return 0
	}
	authority := until(s, blanks+quotes+"/?#`\\")
	for _, part := range []string{until(authority, lists), authority} {
		at := strings.LastIndexByte(part, '@')
		if at <= 0 {
			continue
		}
		user, password, found := strings.Cut(part[:at], ":")
		switch {
		case !found && !strings.ContainsAny(user, lists): // a token, or else honest
			return at + 1
		case found && password != "" && !strings.ContainsAny(user, "[@") && !listed.MatchString(password) && !address.MatchString(part[:at]):
			return at + 1
		}
		return 0
	}
	return 0
}

// address is a host with its port.
var address = regexp.MustCompile(`^[0-9]+(?:\.[0-9]+){3}:[0-9]+$`)

// until is s up to the first of the characters.
func until(s, chars string) string {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i]
	}
	return s
}
