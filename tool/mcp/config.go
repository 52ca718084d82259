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

// ParseConfig reads servers in the JSON that many programs use,
//
//	{"mcpServers": {"files": {"command": "npx", "args": ["-y", "…"], "env": {"KEY": "${KEY}"}},
//	                "desk": {"url": "https://…", "headers": {"Authorization": "Bearer ${TOKEN}"}}}}
//
// in their order. "servers" is read as "mcpServers" is, and a server has "cwd",
// "type" (stdio, http or streamable-http; without it, what the others say) and
// "disabled", which leaves it out. Other members are not read, such as those by which
// other programs let tools pass without approval. A member that is there twice, or that
// differs from one of these in its capitals only, is an error. Characters that no Name
// has become "-".
//
// In all texts ${VAR} and ${env:VAR} are variables of the environment, and
// ${VAR:-other} is other if VAR is not set or empty. Without that, one that is not
// set is an error. Errors name variables and members, never a value.
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

// configServers are the servers of a file.
func configServers(data []byte) ([]member, error) {
	var servers, mcpServers, text json.RawMessage
	if err := json.Unmarshal(data, &text); err != nil { // it says where it is no JSON
		return nil, place(err)
	}
	names := fields{"mcpServers": &mcpServers, "servers": &servers}
	if err := names.check(text); err != nil {
		return nil, err
	}
	_ = names.decode(text) // they are of any type
	if mcpServers == nil {
		mcpServers = servers
	}
	if mcpServers == nil {
		return nil, errors.New(`there is no "mcpServers"`)
	}
	entries, err := members(mcpServers)
	if err != nil {
		return nil, errors.New(`"mcpServers" is no object`)
	}
	return entries, fields{}.check(mcpServers)
}

// check is an error for an object in which a person has written a name twice, or one
// of these in another spelling: programs read such files in different ways.
func (f fields) check(object json.RawMessage) error {
	all, err := members(object)
	if err != nil {
		return place(err)
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

// A configServer is what is read of a server.
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
		return place(err)
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
		return fmt.Errorf(`there is no "type" %q`, line(c.kind, 64))
	}
	return nil
}

// checkWay wants one way to the server. Who has none has perhaps misspelt it.
func (c configServer) checkWay(m member) error {
	switch {
	case c.command != "" && c.url != "":
		return errors.New(`has "command" and "url", of which exactly one must be set`)
	case c.command != "" || c.url != "":
		return nil
	}
	found, err := members(m.value)
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

// configName is a name for a server that may be called anything.
func configName(name string) string {
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == '_' })
	for i, p := range parts {
		parts[i] = strings.Trim(notOfName.ReplaceAllString(p, "-"), "-")
	}
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
	name = strings.Join(parts, "_")
	return strings.TrimRight(name[:min(len(name), 32)], "_-")
}

// place is an error of decoding without the value that was found.
func place(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%q is no %s", wrong.Field, wrong.Type.Kind())
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("no JSON at byte %d", syntax.Offset)
	}
	if errors.Is(err, errNoObject) {
		return err
	}
	return errors.New("no JSON")
}

// An expansion replaces variables, and keeps the first error.
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
