package secret

import (
	"regexp"
	"strings"
)

var queryKey = regexp.MustCompile(`(?i)([?&#](?:[\w.-]*[-_.])?(?:api|access|auth|secret|subscription)?(?:key|token|secret|password|passwd|pwd|sig|signature|credential|auth)=)[^&#\s"'<>]+`)

// Redact replaces the credentials in URLs: passwords before the @ of a host, and the
// values of query parameters with names such as key or token.
func Redact(s string) string {
	if !strings.Contains(s, "://") && !strings.ContainsAny(s, "?&#") {
		return s
	}
	return queryKey.ReplaceAllString(CutUserinfo(s, userinfoEnd), "${1}[redacted]")
}

// maxUserinfo bounds the search for credentials after ://, in bytes.
const maxUserinfo = 4 << 10

var (
	// A port followed by a later @ is not a password. In a web address, the @ may be in
	// the path. In other addresses, a slash belongs to the password, unless a blank
	// follows. A host may be in brackets.
	port = regexp.MustCompile(`^[\w+.-]*://[^:]*:[0-9]+(?:[?#\s]|/\S*\s)|^(?i:https?|wss?)://[^:]*:[0-9]+/` +
		`|^[\w+.-]*://\[[0-9A-Fa-f:.]+\](?::[0-9]+)?[/?#\s]`)
	// A digest after the @ names content, as in docker-pullable://nginx@sha256:…
	digest = regexp.MustCompile(`^sha(?:256|384|512):[0-9a-f]`)
	// A name is a user without a password, as in https://ann@dev.azure.com, or a public
	// key, as in enode://6f8a…@10.0.0.1. A token is a secret in place of the name, with
	// a prefix of its issuer.
	name  = regexp.MustCompile(`^[\w+.-]*://[^:]*@$`)
	token = regexp.MustCompile(`://(?:gh[pousr]_|github_pat_|glpat-)\w+@$`)
	// A template is a placeholder for a password.
	template = regexp.MustCompile(`:(?:\$\w+|\$\{[^}]*\}|\$\([^)]*\)|\{[^}]*\}|\{\{[^}]*\}\}|%[a-z]|\*+|\.\.\.|…)@$`)
)

// CutUserinfo replaces the user and the password before the host of a URL. end finds the
// end of both. Regular expressions run only on candidates, because a result can be long.
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

// isHonest reports whether found, which ends in @, is free of secrets.
func isHonest(found, behind string) bool {
	return port.MatchString(found) || name.MatchString(found) && !token.MatchString(found) ||
		template.MatchString(found) || digest.MatchString(behind)
}

// schemeStart returns the start of the scheme that ends at end.
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

// userinfoEnd returns the end of the credentials at the start of s, after their @, or 0.
// userinfoEnd is for errors, where cutting too much is better than too little.
// Credentials are, in this order: text before an @ in place of a host, without list
// marks; a name, a colon and text without blanks; a name, a colon and text with blanks.
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

// listed matches a port, or the end of a URL in a list, rather than a password.
var listed = regexp.MustCompile(`^[0-9]*[` + regexp.QuoteMeta(lists) + `]`)

// PasswordEnd is userinfoEnd for results, which models process and write back.
// PasswordEnd finds only certain passwords, in the place that the syntax of URLs
// defines.
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
		case !found && !strings.ContainsAny(user, lists): // a token, or else no secret
			return at + 1
		case found && password != "" && !strings.ContainsAny(user, "[@") && !listed.MatchString(password) && !address.MatchString(part[:at]):
			return at + 1
		}
		return 0
	}
	return 0
}

// address matches a host with its port.
var address = regexp.MustCompile(`^[0-9]+(?:\.[0-9]+){3}:[0-9]+$`)

// until returns s up to the first of the characters.
func until(s, chars string) string {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i]
	}
	return s
}
