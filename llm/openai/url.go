package openai

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

const resource = "/chat/completions"

// endpoint returns the URL that requests are sent to; see [Config.BaseURL].
func endpoint(base, azureVersion, model string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(base))
	if err != nil {
		return nil, fmt.Errorf("openai: the base URL %q is no URL", safeURL(base)) // err would quote it
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("openai: the base URL %q does not begin with http:// or https:// and a host", safeURL(base))
	}
	u.Fragment, u.RawFragment = "", ""
	setPath(u, strings.TrimRight(u.EscapedPath(), "/ "))
	if azureVersion != "" {
		azure(u, azureVersion, model)
	}
	path := u.EscapedPath()
	switch {
	case strings.HasSuffix(path, resource):
	case path == "":
		setPath(u, "/v1"+resource)
	default:
		setPath(u, path+resource)
	}
	return u, nil
}

// azure adds the deployment, unless the path names one, and the version.
func azure(u *url.URL, version, model string) {
	path := u.EscapedPath()
	if path == "" {
		path = "/openai"
	}
	if !strings.Contains(path, "/deployments/") {
		path = strings.TrimSuffix(path, "/deployments") + "/deployments/" + url.PathEscape(model)
	}
	setPath(u, path)
	if q := u.Query(); !q.Has("api-version") {
		q.Set("api-version", version)
		u.RawQuery = q.Encode()
	}
}

// setPath sets an escaped path, without empty segments.
func setPath(u *url.URL, escaped string) {
	for strings.Contains(escaped, "//") {
		escaped = strings.ReplaceAll(escaped, "//", "/")
	}
	path, err := url.PathUnescape(escaped)
	if err != nil {
		path = escaped // cannot be: it was parsed
	}
	u.Path, u.RawPath = path, escaped
}

// safeURL returns the URL without user, query and fragment.
func safeURL(raw string) string {
	raw = strings.TrimSpace(raw)
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.Host == "" {
		return safeText(raw)
	}
	u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
	return u.String()
}

var schemeOf = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)

// safeText returns what is safe to show of a text that is no URL: its scheme,
// and what follows the last @, as all before that may be a user and a password.
func safeText(raw string) string {
	scheme := schemeOf.FindString(raw)
	rest := raw[len(scheme):]
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	if end := strings.IndexAny(rest, "?#"); end >= 0 {
		rest = rest[:end]
	}
	return scheme + rest
}
