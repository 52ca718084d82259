package mcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ReadConfig reads a file of servers; see [ParseConfig].
func ReadConfig(name string) ([]Server, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	servers, err := ParseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return servers, nil
}

// ParseConfig reads the JSON in which many programs list their servers:
//
//	{"mcpServers": {"files": {"command": "npx", "args": ["-y", "…"], "env": {"KEY": "${KEY}"}},
//	                "desk": {"url": "https://…", "headers": {"Authorization": "Bearer ${TOKEN}"}}}}
//
// The servers are in the order of the file. "servers" is accepted in place of
// "mcpServers". A server may also have "cwd", "type" (stdio, http or streamable-http;
// without a type, "command" or "url" decides) and "disabled", which skips the server.
// Further members are ignored, such as lists of tools that may run without approval.
// Duplicate members are errors, and so are members whose names differ from these
// names only in upper and lower case.
// Characters that [Server].Name does not allow become "-".
//
// In all texts, ${VAR} and ${env:VAR} stand for environment variables, and
// ${VAR:-default} stands for default if VAR is not set or empty. An unset variable
// without a default is an error. Errors name variables and members, never a value.
func ParseConfig(data []byte) ([]Server, error) {
	entries, err := configServers(data)
	if err != nil {
		return nil, fmt.Errorf("mcp servers: %w", err)
	}
	servers := []Server{}
	seen := map[string]string{}
	for _, m := range entries {
		s, disabled, err := parseServer(m)
		if err != nil {
			return nil, fmt.Errorf("mcp server %q: %w", m.name, err)
		}
		if disabled {
			continue
		}
		if other, twice := seen[s.Name]; twice {
			return nil, fmt.Errorf("mcp servers %q and %q: both are named %q here", other, m.name, s.Name)
		}
		seen[s.Name] = m.name
		servers = append(servers, s)
	}
	return servers, nil
}

// configServers returns the servers of a file.
func configServers(data []byte) ([]member, error) {
	var servers, mcpServers, text json.RawMessage
	if err := json.Unmarshal(data, &text); err != nil { // the error says where the JSON is broken
		return nil, withoutValue(err)
	}
	names := fields{"mcpServers": &mcpServers, "servers": &servers}
	if err := names.check(text); err != nil {
		return nil, err
	}
	_ = names.decode(text) // the members may have any type
	if mcpServers == nil {
		mcpServers = servers
	}
	if mcpServers == nil {
		return nil, errors.New(`there is no "mcpServers"`)
	}
	entries, err := membersOf(mcpServers)
	if err != nil {
		return nil, errors.New(`"mcpServers" is not an object`)
	}
	return entries, fields{}.check(mcpServers)
}

// check returns an error for an object with a duplicate name, or with a known name in
// different capitals: programs read such files in different ways.
func (f fields) check(object json.RawMessage) error {
	all, err := membersOf(object)
	if err != nil {
		return withoutValue(err)
	}
	for _, m := range all {
		if m.twice {
			return fmt.Errorf("there is more than one %q", line(m.name, 64))
		}
		if _, known := f[m.name]; known {
			continue
		}
		for name := range f {
			if strings.EqualFold(name, m.name) {
				return fmt.Errorf("%q is not read; it is spelt %q", line(m.name, 64), name)
			}
		}
	}
	return nil
}

// A configServer is a server as the file describes it.
type configServer struct {
	kind, command, cwd, url string
	args                    []string
	env, headers            map[string]string
	disabled                bool
}

func (c *configServer) read(text json.RawMessage) error {
	if string(text) == "null" {
		return nil
	}
	names := fields{
		"type": &c.kind, "command": &c.command, "args": &c.args, "env": &c.env, "cwd": &c.cwd,
		"url": &c.url, "headers": &c.headers, "disabled": &c.disabled,
	}
	if err := names.check(text); err != nil {
		return err
	}
	if err := names.decode(text); err != nil {
		return withoutValue(err)
	}
	var env, headers json.RawMessage
	_ = fields{"env": &env, "headers": &headers}.decode(text) // it was decoded before
	for _, texts := range []member{{name: "env", value: env}, {name: "headers", value: headers}} {
		if len(texts.value) == 0 || string(texts.value) == "null" {
			continue
		}
		if err := (fields{}).check(texts.value); err != nil {
			return fmt.Errorf("%q: %w", texts.name, err)
		}
	}
	return nil
}

func parseServer(m member) (s Server, disabled bool, err error) {
	var c configServer
	if err := c.read(m.value); err != nil {
		return s, false, err
	}
	if c.disabled {
		return s, true, nil
	}
	if err := c.checkType(); err != nil {
		return s, false, err
	}
	if err := c.checkWay(m); err != nil {
		return s, false, err
	}
	var x expansion
	s = Server{Name: configName(m.name), Dir: x.expand("cwd", c.cwd), URL: x.expand("url", c.url)}
	if c.command != "" {
		s.Command = []string{x.expand("command", c.command)}
		for i, arg := range c.args {
			s.Command = append(s.Command, x.expand(fmt.Sprintf("args/%d", i), arg))
		}
	}
	s.Env, s.Header = x.expandAll("env", c.env), x.expandAll("headers", c.headers)
	if x.err != nil {
		return s, false, x.err
	}
	return s, false, s.check()
}

func (c configServer) checkType() error {
	switch strings.ToLower(c.kind) {
	case "":
	case "stdio":
		if c.command == "" {
			return errors.New(`"type" is stdio, and there is no "command"`)
		}
	case "http", "streamable-http", "streamablehttp", "streamable_http":
		if c.url == "" {
			return fmt.Errorf(`"type" is %s, and there is no "url"`, c.kind)
		}
	case "sse":
		return errors.New(`"type" sse is the old transport; where a server has no other, use Server.Dial with the SDK's SSEClientTransport`)
	default:
		return fmt.Errorf(`unknown "type" %q`, line(c.kind, 64))
	}
	return nil
}

// checkWay returns an error unless the server has either a command or a URL. Without
// both, the error lists the members of the server, since a name may be misspelt.
func (c configServer) checkWay(m member) error {
	switch {
	case c.command != "" && c.url != "":
		return errors.New(`has "command" and "url", of which exactly one must be set`)
	case c.command != "" || c.url != "":
		return nil
	}
	found, err := membersOf(m.value)
	if err != nil || len(found) == 0 {
		return errors.New(`has neither "command" nor "url"`)
	}
	names := make([]string, len(found))
	for i, f := range found {
		names[i] = strconv.Quote(line(f.name, 64))
	}
	return fmt.Errorf(`has neither "command" nor "url", but %s`, line(strings.Join(names, ", "), maxErrorText))
}

var notOfName = regexp.MustCompile(`[^a-zA-Z0-9-]+`)

// configName turns any name into a valid [Server].Name.
func configName(name string) string {
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == '_' })
	for i, p := range parts {
		parts[i] = strings.Trim(notOfName.ReplaceAllString(p, "-"), "-")
	}
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
	name = strings.Join(parts, "_")
	return strings.TrimRight(name[:min(len(name), 32)], "_-")
}

// withoutValue drops the value from a decoding error, so that secrets are not echoed.
func withoutValue(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%q is not a %s", wrong.Field, wrong.Type.Kind())
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("invalid JSON at byte %d", syntax.Offset)
	}
	if errors.Is(err, errNoObject) {
		return err
	}
	return errors.New("no JSON")
}

// An expansion replaces variables and keeps the first error.
type expansion struct{ err error }

var variable = regexp.MustCompile(`\$\{([^}]*)\}`)

func (x *expansion) expand(field, text string) string {
	return variable.ReplaceAllStringFunc(text, func(found string) string {
		name, other, hasOther := strings.Cut(found[2:len(found)-1], ":-")
		name = strings.TrimPrefix(name, "env:")
		value, set := os.LookupEnv(name)
		switch {
		case hasOther && value == "":
			return other
		case !set && x.err == nil:
			x.err = fmt.Errorf("%q: the variable %q is not set", field, name)
		}
		return value
	})
}

func (x *expansion) expandAll(field string, texts map[string]string) map[string]string {
	if len(texts) == 0 {
		return nil
	}
	all := make(map[string]string, len(texts))
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		all[name] = x.expand(field+"/"+name, texts[name])
	}
	return all
}
