package mcp

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// wireTool is a tool as the server sends it.
type wireTool struct {
	name, title, description string
	input, output            json.RawMessage // JSON Schema
	hints                    wireHints
	execution                wireExecution
}

func (w *wireTool) UnmarshalJSON(text []byte) error {
	return fields{
		"name": &w.name, "title": &w.title, "description": &w.description,
		"inputSchema": &w.input, "outputSchema": &w.output,
		"annotations": uniqueMember{&w.hints}, "execution": &w.execution,
	}.decode(text)
}

// wireHints are the annotations of a tool. A duplicate hint is ambiguous, so it is
// ignored.
type wireHints struct {
	title                                        string
	readOnly, destructive, idempotent, openWorld *bool
}

func (w *wireHints) UnmarshalJSON(text []byte) error {
	return fields{
		"title": &w.title, "readOnlyHint": uniqueMember{&w.readOnly}, "destructiveHint": uniqueMember{&w.destructive},
		"idempotentHint": uniqueMember{&w.idempotent}, "openWorldHint": uniqueMember{&w.openWorld},
	}.decode(text)
}

type wireExecution struct{ taskSupport string }

func (w *wireExecution) UnmarshalJSON(text []byte) error {
	return fields{"taskSupport": &w.taskSupport}.decode(text)
}

// define reads a tool that the server has listed.
func (s Server) define(text json.RawMessage) (Definition, error) {
	var w wireTool
	err := json.Unmarshal(text, &w)
	d := Definition{
		Server: s.Name, Name: w.name, Tool: s.exposed(w.name),
		Description: description(cmp.Or(w.description, w.title, w.hints.title)),
		Schema:      w.input, Output: w.output,
		ReadOnly:    orDefault(w.hints.readOnly, false),
		Destructive: orDefault(w.hints.destructive, true),
		Idempotent:  orDefault(w.hints.idempotent, false),
		OpenWorld:   orDefault(w.hints.openWorld, true),
		task:        w.execution.taskSupport == "required", // every other call would fail
	}
	d.Fingerprint = d.fingerprint()
	switch {
	case err != nil:
		return d, errors.New("its definition cannot be read")
	case w.name == "":
		return d, errors.New("it has no name")
	case len(w.name) > maxWireName:
		return d, fmt.Errorf("its name has more than %d bytes", maxWireName)
	}
	return d, nil
}

// clone returns a copy that shares no memory with d.
func (d Definition) clone() Definition {
	d.Schema, d.Output = slices.Clone(d.Schema), slices.Clone(d.Output)
	return d
}

func orDefault(b *bool, other bool) bool {
	if b == nil {
		return other
	}
	return *b
}

// maxDescription is how many bytes of a description the model gets.
const maxDescription = 8 << 10

func description(s string) string {
	s = strings.TrimSpace(visible(s))
	kept := clip.Cut(s, maxDescription)
	if len(kept) < len(s) {
		kept += fmt.Sprintf("\n[%d more bytes are left out.]", len(s)-len(kept))
	}
	return kept
}

// fingerprint returns the digest of a definition. White space between the tokens of the
// schemas does not count.
func (d Definition) fingerprint() string {
	h := sha256.New()
	for _, part := range []string{
		d.Server, d.Name, d.Description, compact(d.Schema), compact(d.Output),
		fmt.Sprint(d.ReadOnly, d.Destructive, d.Idempotent, d.OpenWorld),
	} {
		fmt.Fprintf(h, "%d:%s", len(part), part) // the length prevents collisions between definitions
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}

const (
	maxName     = 64  // bytes of a name for the model
	maxWireName = 512 // bytes of a name from the server; the protocol wants at most 128 characters
)

// exposed returns the name that the model sees. A name that had to be changed or cut
// gets a suffix that is different for each name.
func (s Server) exposed(name string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, name)
	full := s.Name + "__" + clean
	if s.Bare {
		full = clean
	}
	if clean == name && len(full) <= maxName {
		return full
	}
	digest := sha256.Sum256([]byte(s.Name + "\x00" + name))
	mark := "_" + hex.EncodeToString(digest[:4])
	return full[:min(len(full), maxName-len(mark))] + mark
}

// tool makes a tool from a definition.
func (l *link) tool(d Definition) (tool.Tool, error) {
	schema, err := cleanSchema(d.Schema)
	if err != nil {
		return tool.Tool{}, err
	}
	opts, err := l.server.options(d)
	if err != nil {
		return tool.Tool{}, err
	}
	return tool.NewRaw(d.Tool, d.Description, schema, l.function(d), opts...)
}

// options returns the options of a tool. The hints of a changed definition are ignored:
// they say nothing about a call that was made before the change.
func (s Server) options(d Definition) (opts []tool.Option, err error) {
	defer func() { // the caller's code runs on a goroutine of ours
		if v := recover(); v != nil {
			err = fmt.Errorf("a function of the caller panicked: %v", v)
		}
	}()
	opts = append(opts, tool.AllowUnchecked())
	if s.mayRepeat(d) && !d.Changed {
		opts = append(opts, tool.Idempotent())
	}
	if s.asks(d) {
		opts = append(opts, tool.NeedsApproval())
	}
	if s.Options != nil {
		opts = append(opts, s.Options(d)...)
	}
	if d.Changed { // even if the caller's options say otherwise
		opts = append(opts, tool.NeedsApproval())
	}
	return opts, nil
}

// asks reports whether the calls of a tool wait for approval.
func (s Server) asks(d Definition) bool {
	if s.Ask != nil {
		return s.Ask(d)
	}
	return s.IgnoreHints || !d.ReadOnly
}

// mayRepeat reports whether a call may be made twice.
func (s Server) mayRepeat(d Definition) bool {
	return !s.IgnoreHints && (d.ReadOnly || d.Idempotent)
}
