package secret

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

var words = []string{"authorization", "key", "token", "secret", "cookie", "password", "credential"}

// IsHeader reports whether the name of a header says that the value is a secret.
func IsHeader(name string) bool { return containsAny(strings.ToLower(name), words...) }

// IsParameter reports whether the name of a query parameter says that the value is a
// secret. A "code" is the key of an Azure function, a "sig" signs a URL. These short
// names count as whole words only, because "design" and "encoding" contain them.
func IsParameter(name string) bool {
	name = strings.ToLower(name)
	if name == "code" || IsHeader(name) || containsAny(name, "auth", "signature", "session", "passphrase") {
		return true
	}
	return slices.ContainsFunc(strings.FieldsFunc(name, isSeparator), func(word string) bool {
		return slices.Contains([]string{"sig", "sas", "jwt", "pass", "passwd", "pwd"}, word)
	})
}

func isSeparator(r rune) bool { return strings.ContainsRune("-_.", r) }

func containsAny(s string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s, w) })
}

// OfUser returns the secrets in the user part of a URL: the password, as it is and as
// Basic authorization sends it, or else the user, who may be a token. A nil user has an
// empty text.
func OfUser(user *url.Userinfo) []string {
	password, ok := user.Password()
	if !ok {
		return []string{user.Username()}
	}
	return []string{password, base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))}
}

// OfQuery returns the values of the parameters that [IsParameter] names, as they are and
// escaped.
func OfQuery(query url.Values) (values []string) {
	for name, of := range query {
		if !IsParameter(name) {
			continue
		}
		for _, v := range of {
			values = append(values, v, url.QueryEscape(v))
		}
	}
	return values
}

// LongestFirst returns the distinct values of at least the given length in bytes. The
// longest comes first: it may contain another, and a text must not keep the rest of it.
func LongestFirst(values []string, least int) []string {
	values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return len(v) < least })
	slices.SortFunc(values, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(values)
}
