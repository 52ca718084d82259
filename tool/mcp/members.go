package mcp

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
)

// A member is a member of a JSON object.
type member struct {
	name  string
	value json.RawMessage
	twice bool // the object has several members of this name
}

var errNoObject = errors.New("it is not a JSON object")

// members returns the members of an object in their order. Of several members with one
// name, the last counts.
func members(raw json.RawMessage) ([]member, error) {
	if !json.Valid(raw) {
		return nil, errNoObject
	}
	return membersOf(raw)
}

// membersOf is members for text that is known to be JSON. Other text gives any result, but
// does no harm.
func membersOf(raw json.RawMessage) (all []member, err error) {
	if rawjson.Kind(raw[rawjson.SpaceEnd(raw, 0):]) != '{' {
		return nil, errNoObject
	}
	at := map[string]int{}
	for name, value := range rawjson.Members(raw) {
		m := member{name: name, value: slices.Clip(value)}
		if n, twice := at[m.name]; twice {
			m.twice = true
			all[n] = m
		} else {
			at[m.name] = len(all)
			all = append(all, m)
		}
	}
	return all, nil
}

// fields maps the exact names of an object's members to the variables that they are
// decoded into. [json.Unmarshal] also accepts "READONLYHINT" for "readOnlyHint" and
// merges duplicate objects: a server could tell a reviewer something else than it tells
// us.
type fields map[string]any

// A uniqueMember is the destination of a member that is ignored if it is there twice.
type uniqueMember struct{ into any }

// decode decodes the members that have a field. Of duplicate members the last counts.
// null leaves all fields as they are. A member of the wrong type leaves its field
// unchanged; decoding continues, and decode returns the first such error.
func (f fields) decode(raw json.RawMessage) error {
	if string(raw) == "null" {
		return nil
	}
	all, err := membersOf(raw)
	if err != nil {
		return err
	}
	for _, m := range all {
		into, known := f[m.name]
		if !known {
			continue
		}
		if one, ok := into.(uniqueMember); ok {
			if into = one.into; m.twice {
				continue
			}
		}
		if wrong := unmarshal(m.value, into); wrong != nil && err == nil {
			err = inMember(m.name, into, wrong)
		}
	}
	return err
}

// unmarshal is json.Unmarshal with a fast path for raw values and short texts.
func unmarshal(raw json.RawMessage, into any) error {
	switch into := into.(type) {
	case *json.RawMessage:
		*into = slices.Clone(raw)
		return nil
	case *string:
		if text, ok := rawjson.PlainText(raw); ok {
			*into = text
			return nil
		}
	}
	return json.Unmarshal(raw, into)
}

// inMember adds the name of a member to a decoding error.
func inMember(name string, into any, err error) error {
	wrong := json.UnmarshalTypeError{Type: reflect.TypeOf(into).Elem()}
	if inner, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		wrong = *inner
	}
	if wrong.Field != "" {
		name += "." + wrong.Field
	}
	wrong.Field = name
	return &wrong
}

func writeMember(b *bytes.Buffer, m member) {
	if b.Len() > 1 {
		b.WriteByte(',')
	}
	name, _ := json.Marshal(m.name) // cannot fail: it is a string
	b.Write(name)
	b.WriteByte(':')
	b.Write(m.value)
}

// withMember adds a member to an object that we wrote.
func withMember(object json.RawMessage, more member) json.RawMessage {
	all, _ := membersOf(object)
	var b bytes.Buffer
	b.WriteByte('{')
	for _, m := range append(all, more) {
		writeMember(&b, m)
	}
	b.WriteByte('}')
	return b.Bytes()
}
