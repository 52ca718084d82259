package mcp

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/tool"
)

type wireTool struct {
	Name         string          `json:"name"`
	Description  string          `json:"description"`
	InputSchema  json.RawMessage `json:"inputSchema"`
	OutputSchema json.RawMessage `json:"outputSchema"`
	Annotations  struct {
		ReadOnlyHint    *bool `json:"readOnlyHint"`
		DestructiveHint *bool `json:"destructiveHint"`
		IdempotentHint  *bool `json:"idempotentHint"`
		OpenWorldHint   *bool `json:"openWorldHint"`
	} `json:"annotations"`
}

// define reads what a server says of a tool.
func (s Server) define(text json.RawMessage) (Definition, error) {
	var w wireTool
	if err := json.Unmarshal(text, &w); err != nil {
		return Definition{}, errors.New("its definition cannot be read")
	}
	if w.Name == "" {
		return Definition{}, errors.New("it has no name")
	}
	or := func(b *bool, other bool) bool {
		if b == nil {
			return other
		}
		return *b
	}
	d := Definition{
		Server: s.Name, Name: w.Name, Tool: s.exposed(w.Name), Description: w.Description,
		Schema: w.InputSchema, Output: w.OutputSchema,
		ReadOnly:    or(w.Annotations.ReadOnlyHint, false),
		Destructive: or(w.Annotations.DestructiveHint, true),
		Idempotent:  or(w.Annotations.IdempotentHint, false),
		OpenWorld:   or(w.Annotations.OpenWorldHint, true),
	}
	d.Fingerprint = d.fingerprint()
	return d, nil
}

func (d Definition) fingerprint() string {
	h := sha256.New()
	for _, part := range []string{
		d.Server, d.Name, d.Description, string(d.Schema), string(d.Output),
		fmt.Sprint(d.ReadOnly, d.Destructive, d.Idempotent, d.OpenWorld),
	} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

const maxName = 64

// exposed is the name that the model sees of a tool.
func (s Server) exposed(name string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, name)
	prefix := s.Name + "__"
	if s.Bare {
		prefix = ""
	}
	full := prefix + clean
	if clean == name && len(full) <= maxName {
		return full
	}
	h := sha256.Sum256([]byte(s.Name + "\x00" + name))
	return full[:min(len(full), maxName-9)] + "_" + hex.EncodeToString(h[:4])
}

func (l *link) tool(d Definition) (tool.Tool, error) {
	opts := []tool.Option{tool.AllowUnchecked()}
	trusted := !l.server.IgnoreHints
	ask := l.server.Ask
	if ask == nil {
		ask = func(d Definition) bool { return !trusted || !d.ReadOnly }
	}
	if trusted && (d.ReadOnly || d.Idempotent) {
		opts = append(opts, tool.Idempotent())
	}
	if ask(d) {
		opts = append(opts, tool.NeedsApproval())
	}
	if l.server.Options != nil {
		opts = append(opts, l.server.Options(d)...)
	}
	return tool.NewRaw(d.Tool, d.Description, d.Schema, l.caller(d), opts...)
}
