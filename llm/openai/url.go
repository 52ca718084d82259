package openai

import (
	"fmt"
	"net/url"
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
		path += "/deployments/" + url.PathEscape(model)
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
	if err != nil || u.Opaque != "" {
		return cutCredentials(strings.SplitN(raw, "?", 2)[0])
	}
	u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
	return u.String()
}
