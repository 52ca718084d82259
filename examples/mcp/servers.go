package main

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// servers are the servers on the command line, in order.
type servers struct {
	all []mcp.Server
	err error // the first error
}

// define defines the flags. Errors go to err, because package flag would print the
// value, which may be a secret, and the usage.
func (s *servers) define() {
	for _, f := range []struct {
		name, usage string
		set         func(string) error
	}{
		{"server", "start the server `'[name:] command arguments'`; variables such as KEY=value may come first (repeatable)", s.command},
		{"url", "use the server at this `URL`, also as 'name: URL' (repeatable)", s.address},
		{"header", "send the header `'Name: value'` to the -url before this flag (repeatable)", s.header},
		{"config", "use the servers of this JSON `file` with \"mcpServers\" (repeatable)", s.config},
	} {
		flag.Func(f.name, f.usage, func(value string) error {
			if s.err == nil {
				s.err = f.set(value)
			}
			return nil
		})
	}
}

// open opens a client for the servers. Without servers, this program is the server.
func (s *servers) open(log *slog.Logger) (*mcp.Client, error) {
	if s.err != nil {
		return nil, &cli.UsageError{Err: s.err}
	}
	if len(s.all) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		s.all = []mcp.Server{{Name: "notebook", Command: []string{self, "serve"}}}
	}
	for i := range s.all {
		s.all[i].Log = log
	}
	return mcp.Open(s.all...)
}

// add adds a server under a unique name.
func (s *servers) add(name string, server mcp.Server) {
	taken := func(name string) bool {
		return slices.ContainsFunc(s.all, func(s mcp.Server) bool { return s.Name == name })
	}
	server.Name = name
	for i := 2; taken(server.Name); i++ {
		server.Name = fmt.Sprintf("%s-%d", name[:min(len(name), 28)], i)
	}
	s.all = append(s.all, server)
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)

func (s *servers) command(text string) error {
	words, err := split(text)
	if err != nil {
		return fmt.Errorf("-server: %w", err)
	}
	name, words := named(words)
	server := mcp.Server{Env: map[string]string{}}
	for len(words) > 0 && variable.MatchString(words[0]) {
		key, value, _ := strings.Cut(words[0], "=")
		server.Env[key], words = value, words[1:]
	}
	if len(words) == 0 {
		return errors.New("-server: the command is missing")
	}
	if name == "" {
		name = nameOf(words)
	}
	server.Command = words
	s.add(name, server)
	return nil
}

// named removes and returns a name at the start of the words, for example "files:".
func named(words []string) (name string, rest []string) {
	if len(words) > 1 {
		if name, ok := strings.CutSuffix(words[0], ":"); ok {
			return name, words[1:]
		}
	}
	return "", words
}

var (
	// launchers are programs that start a server, and their subcommands.
	launchers = strings.Fields("npx npm bunx bun uvx uv pnpm yarn node deno python python3 docker podman go sh bash env exec dlx run x")
	// insides are common files and directories inside of a program. They make no
	// good name for the program.
	insides = strings.Fields("index main cli server src dist build bin")

	affix = regexp.MustCompile(`^(mcp-server-|server-|mcp-)|(-mcp-server|-mcp|-server)?(\.exe|\.[cm]?[jt]s|\.py)?$`)
)

// nameOf returns a name for the server of a command, such as "filesystem" for npx -y
// @modelcontextprotocol/server-filesystem@1.0.
func nameOf(command []string) string {
	for _, word := range command {
		if strings.HasPrefix(word, "-") {
			continue
		}
		parts := strings.FieldsFunc(word, func(r rune) bool { return r == '/' || r == '\\' })
		for _, part := range slices.Backward(parts) {
			part, _, _ = strings.Cut(part, "@") // removes a version
			name := clean(affix.ReplaceAllString(part, ""))
			if slices.Contains(launchers, name) {
				break
			}
			if name != "" && !slices.Contains(insides, name) {
				return name
			}
		}
	}
	return "server"
}

var unclean = regexp.MustCompile(`[^a-zA-Z0-9]+`)

// clean returns a text as a name: letters and digits, and - in place of other
// characters.
func clean(s string) string {
	s = unclean.ReplaceAllString(s, "-")
	return strings.Trim(s[:min(len(s), 32)], "-")
}

func (s *servers) address(text string) error {
	name, address := named(strings.Fields(text))
	u, err := url.Parse(strings.Join(address, " "))
	if err != nil || u.Host == "" {
		return errors.New("-url: not a URL such as https://example.com/mcp")
	}
	if name == "" {
		name = clean(u.Hostname())
	}
	s.add(name, mcp.Server{URL: u.String()})
	return nil
}

func (s *servers) header(text string) error {
	name, value, ok := strings.Cut(text, ":")
	if !ok {
		return errors.New("-header: the form is 'Name: value'")
	}
	if len(s.all) == 0 || s.all[len(s.all)-1].URL == "" {
		return fmt.Errorf("-header %q: must follow the -url that it is for", name)
	}
	last := &s.all[len(s.all)-1]
	if last.Header == nil {
		last.Header = map[string]string{}
	}
	last.Header[strings.TrimSpace(name)] = strings.TrimSpace(value)
	return nil
}

func (s *servers) config(file string) error {
	all, err := mcp.ReadConfig(file)
	if err != nil {
		return fmt.Errorf("-config: %w", err)
	}
	if len(all) == 0 {
		return fmt.Errorf("-config: %s has no servers", file)
	}
	for _, server := range all {
		s.add(server.Name, server)
	}
	return nil
}
