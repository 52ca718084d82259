package openai

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/internal/secret"
)

// keyMark replaces a secret in the text of an error.
const keyMark = "[key]"

const (
	// minSecret is the length from which a secret is replaced anywhere. A shorter
	// secret may be part of an innocent word and is replaced as a word only.
	minSecret = 8
	// minFragment is the length from which the beginning of a secret is replaced.
	minFragment = 4
)

// secrets are the strings that the client has sent, longest first. An error must not
// show the strings, even if the provider repeats them.
//
// Other packages replace secrets in other ways: tape replaces secrets that are split
// between events, and tool/mcp replaces secrets in each line of a log. Only the
// errors of this package hold texts that were clipped, perhaps within a secret.
type secrets []string

// secretsOf collects the credentials of the request: headers, the user and
// password of the URL, and the values of secret query parameters. Values that
// everybody writes are not secrets.
func secretsOf(r *http.Request) secrets {
	values := append(secret.OfUser(r.URL.User), secret.LongestFirst(secret.OfQuery(r.URL.Query()), minFragment)...)
	for name, all := range r.Header {
		for _, v := range all {
			if _, rest, ok := strings.Cut(v, " "); ok && strings.HasSuffix(name, "Authorization") {
				v = strings.TrimSpace(rest) // behind the scheme
			}
			if secret.IsHeader(name) || len(v) >= minSecret && !slices.Contains(harmless, name) {
				values = append(values, v)
			}
		}
	}
	return slices.DeleteFunc(secret.LongestFirst(values, 1), isCommon)
}

// isCommon reports whether a value proves nothing: a switch, a small number, or
// a placeholder for a server that needs no key.
func isCommon(value string) bool {
	_, err := strconv.ParseInt(value, 10, 32)
	return err == nil && len(value) < minFragment || slices.Contains(commonValues, strings.ToLower(value))
}

var commonValues = []string{
	"true", "false", "yes", "no", "on", "off", "enabled", "disabled", "auto", "default", "none", "null", "nil", "empty", "any",
	"key", "api-key", "api_key", "apikey", "token", "secret", "password", "test", "dummy", "fake", "local", "unused", "not-needed", "not_needed",
	"no-key", "no-key-required", "sk-no-key-required", "ollama", "lm-studio", "lmstudio", "llama.cpp", "llama-cpp", "vllm", "openai",
	"application/json", "text/event-stream",
}

// harmless are the headers without a secret, and the names of the caller that
// providers repeat for good reason.
var harmless = []string{"Accept", "Content-Type", "User-Agent", "Openai-Organization", "Openai-Project"}

// cut replaces every secret in text.
func (s secrets) cut(text string) string {
	for _, value := range s {
		switch {
		case len(value) >= minSecret:
			text = strings.ReplaceAll(text, value, keyMark)
		case strings.Contains(text, value):
			word := regexp.MustCompile(`(^|[^\w-])` + regexp.QuoteMeta(value) + `($|[^\w-])`)
			text = word.ReplaceAllString(text, "${1}"+keyMark+"${2}")
		}
	}
	return secret.Redact(s.cutFragments(text))
}

// cutFragments replaces the beginnings of secrets that clipping left before an
// ellipsis.
func (s secrets) cutFragments(text string) string {
	before, after, clipped := strings.Cut(text, clip.Ellipsis)
	if !clipped {
		return text
	}
	longest := 0
	for _, value := range s {
		for n := min(len(value)-1, len(before)); n > longest && n >= minFragment; n-- {
			if strings.HasSuffix(before, value[:n]) {
				longest = n
			}
		}
	}
	if longest > 0 {
		before = before[:len(before)-longest] + keyMark
	}
	return before + clip.Ellipsis + s.cutFragments(after)
}

// cutURL marks a query in text, which may hold a key.
func (s secrets) cutURL(u *url.URL) string { return s.cut(safeURL(u.String())) }
