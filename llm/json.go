package llm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Parts is the content of a message. The JSON of Parts is an array of objects. Each
// object has a "type" ("text", "reasoning", "refusal", "image", "audio", "file",
// "tool_call", "tool_result", "raw") and the members that the Go types show. This is
// the library's own form, not the form of any provider.
//
// Decoding the encoded value gives an equal value, with two exceptions: an empty
// slice becomes nil, and invalid UTF-8 becomes U+FFFD. A member that this package
// does not know goes to Extra, and a part of an unknown type becomes a [RawPart];
// both are written again.
type Parts []Part

// MarshalJSON implements [json.Marshaler]. A nil part is an error.
func (ps Parts) MarshalJSON() ([]byte, error) {
	if ps == nil {
		return []byte("null"), nil
	}
	var b bytes.Buffer
	b.WriteByte('[')
	for i, p := range ps {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := writePart(&b, p); err != nil {
			return nil, fmt.Errorf("part %d: %w", i, err)
		}
	}
	b.WriteByte(']')
	return b.Bytes(), nil
}

func writePart(b *bytes.Buffer, p Part) error {
	if raw, ok := p.(RawPart); ok {
		if err := checkRaw(raw); err != nil {
			return err
		}
	}
	kind := partKind(p)
	if kind == "" {
		return fmt.Errorf("%T is not a part", p)
	}
	body, err := marshal(p)
	if err != nil {
		return err
	}
	b.WriteString(`{"type":"` + kind + `"`)
	if len(body) > len(`{}`) {
		b.WriteByte(',')
	}
	b.Write(body[1:])
	return nil
}

func checkRaw(p RawPart) error {
	if _, err := ParseMembers([]byte(p.JSON)); err != nil {
		return fmt.Errorf("raw part: %w", err)
	}
	if strings.TrimSpace(p.JSON) == "null" { // no members, says ParseMembers
		return errors.New("raw part: got null, want a JSON object")
	}
	return nil
}

func partKind(p Part) string {
	switch p.(type) {
	case Text:
		return "text"
	case Reasoning:
		return "reasoning"
	case Refusal:
		return "refusal"
	case Image:
		return "image"
	case Audio:
		return "audio"
	case File:
		return "file"
	case ToolCall:
		return "tool_call"
	case ToolResult:
		return "tool_result"
	case RawPart:
		return "raw"
	}
	return ""
}

// UnmarshalJSON implements [json.Unmarshaler].
func (ps *Parts) UnmarshalJSON(data []byte) error {
	data = bytes.ToValidUTF8(data, []byte("\uFFFD")) // what is kept raw could not be written else
	var raws []json.RawMessage
	if err := json.Unmarshal(data, &raws); err != nil {
		return err
	}
	if raws == nil {
		*ps = nil
		return nil
	}
	out := make(Parts, len(raws))
	for i, raw := range raws {
		p, err := readPart(raw)
		if err != nil {
			return fmt.Errorf("part %d: %w", i, err)
		}
		out[i] = p
	}
	*ps = out
	return nil
}

func readPart(data []byte) (Part, error) {
	members, err := ParseMembers(data)
	if err != nil {
		return nil, err
	}
	var kind string
	for _, m := range members {
		if m.Name == "type" {
			if err := json.Unmarshal([]byte(m.Value), &kind); err != nil {
				return nil, fmt.Errorf("type: %w", err)
			}
		}
	}
	switch kind {
	case "text":
		return decodePart(members, func(p *Text) *[]Member { return &p.Extra }, "text")
	case "reasoning":
		return decodePart(members, func(p *Reasoning) *[]Member { return &p.Extra }, "text", "field")
	case "refusal":
		return decodePart(members, func(p *Refusal) *[]Member { return &p.Extra }, "text")
	case "image":
		return decodePart(members, func(p *Image) *[]Member { return &p.Extra }, "url", "data", "media_type", "detail")
	case "audio":
		return decodePart(members, func(p *Audio) *[]Member { return &p.Extra }, "data", "format", "id", "transcript")
	case "file":
		return decodePart(members, func(p *File) *[]Member { return &p.Extra }, "id", "name", "data", "media_type")
	case "tool_call":
		return decodePart(members, func(p *ToolCall) *[]Member { return &p.Extra }, "id", "name", "arguments")
	case "tool_result":
		return decodePart(members, func(p *ToolResult) *[]Member { return &p.Extra }, "call_id", "name", "parts", "is_error")
	case "raw":
		return readRaw(members)
	}
	raw := RawPart{JSON: string(data)}
	if err := checkRaw(raw); err != nil {
		return nil, err
	}
	return raw, nil
}

// readRaw refuses what could be read and not be written again.
func readRaw(members []Member) (Part, error) {
	p, err := decodePart(members, func(*RawPart) *[]Member { return new([]Member) }, "json")
	if err != nil {
		return nil, err
	}
	if err := checkRaw(p.(RawPart)); err != nil {
		return nil, err
	}
	return p, nil
}

// decodePart decodes the known members into a P and appends the unknown members to
// *extra.
func decodePart[P Part](members []Member, extra func(*P) *[]Member, known ...string) (Part, error) {
	var p P
	own, rest := split(members, append(known, "type", "extra"))
	if err := json.Unmarshal(own, &p); err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		*extra(&p) = append(*extra(&p), rest...)
	}
	return p, nil
}

// split joins the members named in known to a JSON object and returns the
// others. The detour keeps encoding/json from matching names that differ in case
// only.
func split(members []Member, known []string) (object []byte, rest []Member) {
	var own []Member
	for _, m := range members {
		switch {
		case slices.Contains(known, m.Name):
			own = append(own, m)
		default:
			rest = append(rest, m)
		}
	}
	return []byte(joinMembers(own)), rest
}

func joinMembers(members []Member) string {
	b := []byte{'{'}
	for i, m := range members {
		if i > 0 {
			b = append(b, ',')
		}
		name, _ := marshal(m.Name) // a string always marshals
		b = append(append(append(b, name...), ':'), m.Value...)
	}
	return string(append(b, '}'))
}

// UnmarshalJSON implements [json.Unmarshaler]. Unknown members are appended to Extra.
func (m *Message) UnmarshalJSON(data []byte) error {
	data = bytes.ToValidUTF8(data, []byte("\uFFFD"))
	members, err := ParseMembers(data)
	if err != nil {
		return err
	}
	type plain Message // without this method
	var msg plain
	own, rest := split(members, []string{"role", "parts", "extra"})
	if err := checkForm(own, rest); err != nil {
		return err
	}
	if err := json.Unmarshal(own, &msg); err != nil {
		return err
	}
	msg.Extra = append(msg.Extra, rest...)
	*m = Message(msg)
	return nil
}

// checkForm refuses a message in the form of Chat Completions. Otherwise its content
// would be ignored, as unknown members in Extra.
func checkForm(own []byte, rest []Member) error {
	wire := func(m Member) bool { return m.Name == "content" || m.Name == "tool_calls" }
	if bytes.Contains(own, []byte(`"parts":`)) || !slices.ContainsFunc(rest, wire) {
		return nil
	}
	return errors.New(`llm: this is a message of Chat Completions ("content"), not one of llm ("parts")`)
}

// ParseMembers splits a JSON object into its members, in order, with duplicates, and
// with unchanged bytes of the values. Clients use ParseMembers to keep unknown
// members. Null has no members. Input other than one JSON object or null is an error.
func ParseMembers(data []byte) ([]Member, error) {
	if members, ok := splitObject(data); ok {
		return members, nil
	}
	return parseMembers(data)
}

// parseMembers is ParseMembers for every text.
func parseMembers(data []byte) ([]Member, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if tok == nil {
		return nil, nil
	}
	if tok != json.Delim('{') {
		return nil, fmt.Errorf("got %v, want a JSON object", tok)
	}
	var members []Member
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		members = append(members, Member{Name: name.(string), Value: string(value)})
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("text after the JSON object")
	}
	return members, nil
}

// marshal is json.Marshal without escapes for HTML, because escapes cost tokens and
// models copy escapes.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
