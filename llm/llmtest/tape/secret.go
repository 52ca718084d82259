package tape

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/internal/secret"
)

// shortestSecret is the smallest length of a known secret, in bytes. Shorter values
// could be part of ordinary words.
const shortestSecret = 8

// secrets are the known secret values: from headers, URLs and the environment.
// Concurrent requests may use the same secrets.
type secrets struct {
	mu    sync.Mutex
	texts []string // the longest first: one may hold another
}

func (s *secrets) add(text string) {
	text = strings.TrimSpace(text)
	if len(text) < shortestSecret || strings.Contains(text, scrubMark) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts = secret.LongestFirst(append(s.texts, text, url.QueryEscape(text), url.PathEscape(text)), shortestSecret)
}

func (s *secrets) all() []string {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.texts)
}

// check returns an error if the scrubbed text still contains a known secret.
func (s *secrets) check(text string) error {
	for _, value := range s.all() {
		if strings.Contains(text, value) || strings.Contains(text, strings.Trim(rawjson.Quote(value), `"`)) {
			return errors.New("a secret stands where it cannot be cut out")
		}
	}
	return nil
}

// addEnvironment adds the values of variables named like secrets. Short values are
// skipped, because they are often ordinary words.
func (s *secrets) addEnvironment(environ []string) {
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if len(value) < 2*shortestSecret {
			continue
		}
		name = strings.ToUpper(name)
		for _, end := range []string{"_KEY", "_TOKEN", "_SECRET", "_PASSWORD"} {
			if strings.HasSuffix(name, end) {
				s.add(value)
			}
		}
	}
}

func (s *secrets) addRequest(r *http.Request) {
	s.addHeader(r.Header)
	s.add(r.URL.User.Username()) // a tape is a file that others read, so the name is removed, too
	for _, v := range append(secret.OfUser(r.URL.User), secret.OfQuery(r.URL.Query())...) {
		s.add(v)
	}
}

func (s *secrets) addHeader(h http.Header) {
	for name, values := range h {
		if !secret.IsHeader(name) {
			continue
		}
		for _, v := range values {
			s.addValue(v)
		}
	}
}

// addValue adds the value of a header: the whole value, the value without its scheme,
// and the values within Basic credentials and cookies.
func (s *secrets) addValue(v string) {
	s.add(v)
	if scheme, rest, ok := strings.Cut(v, " "); ok {
		s.add(rest)
		if plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest)); err == nil && strings.EqualFold(scheme, "basic") {
			user, password, _ := strings.Cut(string(plain), ":")
			s.add(user)
			s.add(password)
		}
	}
	for _, field := range strings.Split(v, ";") {
		name, value, ok := strings.Cut(strings.TrimSpace(field), "=")
		if ok && !slices.Contains([]string{"expires", "domain", "path", "samesite", "max-age"}, strings.ToLower(name)) {
			s.add(strings.Trim(value, `"`))
		}
	}
}
