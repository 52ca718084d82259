package openai

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const cutMark = "[key]"

// shortest is the length from which on a secret is cut wherever it stands. A
// shorter one may be part of an innocent word and is cut as a word only.
const shortest = 8

// secrets are the strings that were sent and that no error may show, should
// the provider repeat them.
type secrets []string

// secretsOf collects what the request proves itself with.
func secretsOf(r *http.Request) secrets {
	var s secrets
	for name, values := range r.Header {
		if !sensitive(name) {
			continue
		}
		for _, v := range values {
			s = append(s, v, strings.TrimPrefix(v, "Bearer "))
		}
	}
	if password, ok := r.URL.User.Password(); ok {
		s = append(s, password)
	}
	for name, values := range r.URL.Query() {
		if name != "api-version" {
			s = append(s, values...)
		}
	}
	slices.SortFunc(s, func(a, b string) int { return len(b) - len(a) })
	return s
}

var sensitiveWords = []string{"authorization", "key", "token", "secret", "cookie", "password", "credential"}

func sensitive(header string) bool {
	header = strings.ToLower(header)
	return slices.ContainsFunc(sensitiveWords, func(w string) bool { return strings.Contains(header, w) })
}

// cut replaces every secret in text.
func (s secrets) cut(text string) string {
	for _, secret := range s {
		switch {
		case len(secret) >= shortest:
			text = strings.ReplaceAll(text, secret, cutMark)
		case secret != "" && strings.Contains(text, secret):
			word := regexp.MustCompile(`(^|[^\w-])` + regexp.QuoteMeta(secret) + `($|[^\w-])`)
			text = word.ReplaceAllString(text, "${1}"+cutMark+"${2}")
		}
	}
	return cutCredentials(text)
}

var credentials = regexp.MustCompile(`://[^/\s"'@]*@`)

// cutCredentials removes the user and password of URLs in text.
func cutCredentials(text string) string { return credentials.ReplaceAllString(text, "://") }

// cutURL marks a query in text, which may hold a key.
func (s secrets) cutURL(u *url.URL) string { return s.cut(safeURL(u.String())) }
