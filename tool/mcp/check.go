package mcp

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	serverName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,32}$`)
	headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
)

// check returns an error that names an invalid field. Errors contain no values of Env
// and Header.
func (s Server) check() error {
	for _, err := range []error{s.checkName(), s.checkWay(), s.checkBounds(), checkPatterns("Allow", s.Allow), checkPatterns("Deny", s.Deny)} {
		if err != nil {
			return err
		}
	}
	return nil
}

// bad is the error of a field.
func bad(field, format string, args ...any) error {
	return fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...))
}

func (s Server) checkName() error {
	if !serverName.MatchString(s.Name) || strings.Contains(s.Name, "__") || strings.HasSuffix(s.Name, "_") {
		return bad("Name", "must have 1 to 32 letters, digits, - and single _, and must not end in _")
	}
	return nil
}

// checkWay checks how the server is reached.
func (s Server) checkWay() error {
	ways := 0
	for _, set := range []bool{len(s.Command) > 0, s.URL != "", s.Dial != nil} {
		if set {
			ways++
		}
	}
	switch {
	case ways != 1:
		return errors.New("exactly one of Command, URL and Dial must be set")
	case len(s.Command) == 0 && (len(s.Env) > 0 || s.Dir != ""):
		return bad("Env, Dir", "are for a Command")
	case s.URL == "" && (len(s.Header) > 0 || s.OAuth != nil || s.HTTPClient != nil):
		return bad("Header, OAuth, HTTPClient", "are for a URL")
	case len(s.Command) > 0:
		return s.checkCommand()
	case s.URL != "":
		return s.checkURL()
	}
	return nil
}

func (s Server) checkCommand() error {
	if s.Command[0] == "" {
		return bad("Command", "the program has no name")
	}
	for name, value := range s.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(value, "\x00") {
			return bad("Env", "%q is not a valid variable", name)
		}
	}
	return nil
}

func (s Server) checkURL() error {
	u, err := url.Parse(s.URL)
	switch {
	case err != nil || u.Host == "" || !slices.Contains([]string{"http", "https"}, u.Scheme):
		return bad("URL", "must be an absolute http or https URL")
	case u.User != nil:
		return bad("URL", "has credentials; put them into Header")
	}
	seen := map[string]bool{}
	for name, value := range s.Header {
		key := http.CanonicalHeaderKey(name)
		if seen[key] {
			return bad("Header", "there is more than one %q", key)
		}
		seen[key] = true
		if !headerName.MatchString(name) || strings.ContainsAny(value, "\r\n\x00") {
			return bad("Header", "%q is not a valid header", name)
		}
		if key == "Authorization" && s.OAuth != nil {
			return bad("Header", "Authorization is set by OAuth")
		}
	}
	return nil
}

func (s Server) checkBounds() error {
	switch {
	case s.StartTimeout < -1:
		return bad("StartTimeout", "%v is negative; -1 means no limit", s.StartTimeout)
	case s.MaxTools < -1:
		return bad("MaxTools", "%d is negative; -1 means no limit", s.MaxTools)
	case s.MaxMessage < 0:
		return bad("MaxMessage", "%d is negative", s.MaxMessage)
	case s.Changed != AskAgain && s.Changed != Drop:
		return bad("Changed", "%q is unknown", string(s.Changed))
	}
	return nil
}

func checkPatterns(field string, patterns []string) error {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return bad(field, "%q is not a valid pattern", p)
		}
	}
	return nil
}

const (
	defaultStart      = 60 * time.Second
	defaultMaxTools   = 128
	defaultMaxMessage = 16 << 20
)

// withDefaults sets the fields that were left zero.
func (s Server) withDefaults() Server {
	if s.StartTimeout == 0 {
		s.StartTimeout = defaultStart
	}
	if s.MaxTools == 0 {
		s.MaxTools = defaultMaxTools
	}
	if s.MaxMessage == 0 {
		s.MaxMessage = defaultMaxMessage
	}
	return s
}
