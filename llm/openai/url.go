package openai

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// resource is the path of an API below the base URL.
func (a API) resource() string {
	if a == APIResponses {
		return "/responses"
	}
	return "/chat/completions"
}

// endpoint returns the URL that requests are sent to; see [Config.BaseURL].
func endpoint(base, azureVersion, model string, api API) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(base))
	if err != nil {
		return nil, fmt.Errorf("openai: the base URL %q is not a URL", safeURL(base)) // err would quote it
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("openai: the base URL %q does not begin with http:// or https:// and a host", safeURL(base))
	}
	u.Fragment, u.RawFragment = "", ""
	path := strings.TrimRight(u.EscapedPath(), "/ ")
	if path == "" && azureVersion == "" {
		path = "/v1"
	}
	for _, other := range []API{APIChat, APIResponses} {
		path = strings.TrimSuffix(path, other.resource())
	}
	setPath(u, path)
	if azureVersion != "" {
		azure(u, azureVersion, model, api)
	}
	setPath(u, u.EscapedPath()+api.resource())
	return u, nil
}

// originOf names an endpoint by host and port. Items go back only to their
// origin.
func originOf(u *url.URL) string { return strings.ToLower(u.Host) }

// azure adds the version, and the deployment unless the path names a
// deployment. The Responses API has no deployments in its path: the request
// names the model.
func azure(u *url.URL, version, model string, api API) {
	path := u.EscapedPath()
	if path == "" {
		path = "/openai"
	}
	if api == APIResponses {
		path, _, _ = strings.Cut(path, "/deployments")
	} else if !strings.Contains(path, "/deployments/") {
		path = strings.TrimSuffix(path, "/deployments") + "/deployments/" + url.PathEscape(model)
	}
	setPath(u, path)
	if q := u.Query(); !q.Has("api-version") {
		q.Set("api-version", version)
		u.RawQuery = q.Encode()
	}
}

// setPath sets an escaped path and removes empty segments.
func setPath(u *url.URL, escaped string) {
	for strings.Contains(escaped, "//") {
		escaped = strings.ReplaceAll(escaped, "//", "/")
	}
	path, err := url.PathUnescape(escaped)
	if err != nil {
		path = escaped // impossible, since url.Parse accepted the path
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

// safeText returns the safe part of a text that is not a URL: the scheme, and
// the text after the last @, because everything before may be a user and a
// password.
func safeText(raw string) string {
	scheme := schemeOf.FindString(raw)
	rest := raw[len(scheme):]
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	if end := strings.IndexAny(rest, "?#"); end >= 0 {
		rest = rest[:end]
	}
	return scheme + rest
}
