package openai

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
)

const cutMark = "[key]"

// shortest is the length from which on a secret is cut wherever it stands. A
// shorter one may be part of an innocent word and is cut as a word only.
const shortest = 8

// secrets are the strings that were sent and that no error may show, should
// the provider repeat them.
type secrets []string

// secretsOf collects what the request proves itself with: headers, the user and
// password of the URL, and those values of its query whose names are of secrets.
// A value that everybody writes proves nothing.
func secretsOf(r *http.Request) secrets {
	var s secrets
	for name, values := range r.Header {
		for _, v := range values {
			if _, rest, ok := strings.Cut(v, " "); ok && strings.HasSuffix(name, "Authorization") {
				v = strings.TrimSpace(rest) // behind the scheme
			}
			if sensitive(name) || len(v) >= shortest && !slices.Contains(harmless, name) {
				s = append(s, v)
			}
		}
	}
	if password, ok := r.URL.User.Password(); ok {
		basic := base64.StdEncoding.EncodeToString([]byte(r.URL.User.Username() + ":" + password))
		s = append(s, password, basic)
	} else {
		s = append(s, r.URL.User.Username())
	}
	for name, values := range r.URL.Query() {
		for _, v := range values {
			if len(v) >= shortestHalf && secretParameter(name) {
				s = append(s, v, url.QueryEscape(v))
			}
		}
	}
	s = slices.DeleteFunc(s, common)
	slices.SortFunc(s, func(a, b string) int { return len(b) - len(a) })
	return s
}

// common reports a value that proves nothing: nothing at all, a switch, a small
// number, or what people write where a server wants no key.
func common(value string) bool {
	_, err := strconv.ParseInt(value, 10, 32)
	return value == "" || err == nil && len(value) < shortestHalf || slices.Contains(commonValues, strings.ToLower(value))
}

var commonValues = []string{
	"true", "false", "yes", "no", "on", "off", "enabled", "disabled", "auto", "default", "none", "null", "nil", "empty", "any",
	"key", "api-key", "api_key", "apikey", "token", "secret", "password", "test", "dummy", "fake", "local", "unused", "not-needed", "not_needed",
	"no-key", "no-key-required", "sk-no-key-required", "ollama", "lm-studio", "lmstudio", "llama.cpp", "llama-cpp", "vllm", "openai",
	"application/json", "text/event-stream",
}

// harmless are the headers that hold nothing of the caller's, or his name as
// providers repeat it for good reason.
var harmless = []string{"Accept", "Content-Type", "User-Agent", "Openai-Organization", "Openai-Project"}

var sensitiveWords = []string{"authorization", "key", "token", "secret", "cookie", "password", "credential"}

func sensitive(header string) bool {
	header = strings.ToLower(header)
	return slices.ContainsFunc(sensitiveWords, func(w string) bool { return strings.Contains(header, w) })
}

// secretParameter reports a parameter of a query that is a secret by its name. A
// "code" is the key of an Azure function, a "sig" that of a signed URL.
func secretParameter(name string) bool {
	name = strings.ToLower(name)
	return sensitive(name) || slices.Contains([]string{"code", "sig", "sas", "jwt", "pass", "passwd", "pwd"}, name) ||
		slices.ContainsFunc([]string{"auth", "signature", "session"}, func(w string) bool { return strings.Contains(name, w) })
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
	return cutCredentials(s.cutHalves(text))
}

// shortestHalf is the length from which on the beginning of a secret is cut.
const shortestHalf = 4

// cutHalves replaces the beginnings of secrets that clipping left before a "…".
func (s secrets) cutHalves(text string) string {
	before, after, clipped := strings.Cut(text, clip.Ellipsis)
	if !clipped {
		return text
	}
	longest := 0
	for _, secret := range s {
		for n := min(len(secret)-1, len(before)); n > longest && n >= shortestHalf; n-- {
			if strings.HasSuffix(before, secret[:n]) {
				longest = n
			}
		}
	}
	if longest > 0 {
		before = before[:len(before)-longest] + cutMark
	}
	return before + clip.Ellipsis + s.cutHalves(after)
}

var credentials = regexp.MustCompile(`://[^/\s"'@]*@`)

// cutCredentials removes the user and password of URLs in text.
func cutCredentials(text string) string { return credentials.ReplaceAllString(text, "://") }

// cutURL marks a query in text, which may hold a key.
func (s secrets) cutURL(u *url.URL) string { return s.cut(safeURL(u.String())) }
