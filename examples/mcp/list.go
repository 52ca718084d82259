package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// list prints the tools of the servers. The error says how many servers failed to
// list all their tools.
func list(app *cli.App, all []mcp.Status) error {
	failed := 0
	for _, s := range all {
		if s.Err != nil {
			failed++
		}
		if app.JSON {
			app.PrintJSON(document(s))
			continue
		}
		app.Text(section(s))
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d servers did not list all their tools", failed, len(all))
	}
	return nil
}

// section returns the text about a server.
func section(s mcp.Status) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", s.Server, summary(s))
	for _, d := range s.Definitions {
		fmt.Fprintf(&b, "\n  %s (%s)\n%s%s", d.Tool, strings.Join(traits(d), ", "), indented(d.Description), indented(pretty(d.Schema)))
		if d.Output != nil {
			fmt.Fprintf(&b, "    returns:\n%s", indented(pretty(d.Output)))
		}
	}
	for _, out := range s.LeftOut {
		fmt.Fprintf(&b, "\n  left out: %q: %s\n", out.Name, cli.OneLine(out.Reason))
	}
	return b.String() + "\n"
}

func summary(s mcp.Status) string {
	n := fmt.Sprintf("%d tools", len(s.Definitions))
	if len(s.Definitions) == 1 {
		n = "1 tool"
	}
	switch {
	case s.Err == nil:
		return n
	case len(s.Definitions) == 0:
		return cli.OneLine(s.Err.Error())
	}
	return n + ", and " + cli.OneLine(s.Err.Error())
}

// traits returns the annotations of a tool. Only the first annotation has an effect.
func traits(d mcp.Definition) []string {
	if d.ReadOnly {
		return []string{"read-only"}
	}
	all := []string{"asks for approval"}
	for _, t := range []struct {
		is   bool
		name string
	}{{d.Destructive, "destructive"}, {d.Idempotent, "idempotent"}, {d.OpenWorld, "open world"}} {
		if t.is {
			all = append(all, t.name)
		}
	}
	return all
}

func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSpace(text)) {
		b.WriteString("    " + strings.TrimRight(line, "\n") + "\n")
	}
	return b.String()
}

func pretty(schema json.RawMessage) string {
	var b bytes.Buffer
	if json.Indent(&b, schema, "", "  ") != nil {
		return visible(string(schema))
	}
	return visible(b.String())
}

// A listed is the -json form of a server.
type listed struct {
	Type    string       `json:"type"`
	Server  string       `json:"server"`
	Error   string       `json:"error,omitempty"`
	Tools   []listedTool `json:"tools"`
	LeftOut []leftOut    `json:"left_out,omitempty"`
}

type listedTool struct {
	Tool        string          `json:"tool"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"schema"`
	Output      json.RawMessage `json:"output,omitempty"`
	Approval    bool            `json:"approval"` // calls need approval
	ReadOnly    bool            `json:"read_only"`
	Destructive bool            `json:"destructive"`
	Idempotent  bool            `json:"idempotent"`
	OpenWorld   bool            `json:"open_world"`
	Fingerprint string          `json:"fingerprint"`
}

type leftOut struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

func document(s mcp.Status) listed {
	l := listed{Type: "server", Server: s.Server, Tools: []listedTool{}}
	if s.Err != nil {
		l.Error = s.Err.Error()
	}
	for _, d := range s.Definitions {
		l.Tools = append(l.Tools, listedTool{
			Tool: d.Tool, Name: d.Name, Description: d.Description, Schema: d.Schema, Output: d.Output,
			Approval: !d.ReadOnly, ReadOnly: d.ReadOnly, Destructive: d.Destructive && !d.ReadOnly, Idempotent: d.Idempotent, OpenWorld: d.OpenWorld,
			Fingerprint: d.Fingerprint,
		})
	}
	for _, out := range s.LeftOut {
		l.LeftOut = append(l.LeftOut, leftOut{out.Name, out.Reason})
	}
	return l
}
