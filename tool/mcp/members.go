package mcp

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
)

// A member is one of a JSON object.
type member struct {
	name  string
	value json.RawMessage
	twice bool // the object has more than one of this name
}

var errNoObject = errors.New("it is no JSON object")

// members returns those of an object in their order; of two of one name, the last.
func members(raw json.RawMessage) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, errNoObject
	}
	var all []member
	at := map[string]int{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: name.(string)} // a key is always one
		if err := dec.Decode(&m.value); err != nil {
			return nil, err
		}
		if i, twice := at[m.name]; twice {
			m.twice = true
			all[i] = m
			continue
		}
		at[m.name] = len(all)
		all = append(all, m)
	}
	return all, nil
}

// fields say into what the members of an object are decoded, by their exact names.
// [json.Unmarshal] takes "READONLYHINT" for "readOnlyHint" as well, and joins two
// objects of one name: a server could tell its reader another thing than it tells us.
type fields map[string]any

// A single is where a member is decoded into that counts only if it is said once.
type single struct{ into any }

// decode decodes the members that have a field. Of two of one name the last counts.
// null says nothing. A member of the wrong type leaves its field as it is, and the
// others are decoded all the same; the error is that of the first.
func (f fields) decode(raw json.RawMessage) error {
	if string(raw) == "null" {
		return nil
	}
	all, err := members(raw)
	if err != nil {
		return err
	}
	for _, m := range all {
		into, known := f[m.name]
		if !known {
			continue
		}
		if one, ok := into.(single); ok {
			if into = one.into; m.twice {
				continue
			}
		}
		if wrong := json.Unmarshal(m.value, into); wrong != nil && err == nil {
			err = within(m.name, into, wrong)
		}
	}
	return err
}

// within is the error of decoding a member, with the member's name.
func within(name string, into any, err error) error {
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
	name, _ := json.Marshal(m.name) // a string always has a JSON form
	b.Write(name)
	b.WriteByte(':')
	b.Write(m.value)
}

// with is an object that we wrote, and one member more.
func with(object json.RawMessage, more member) json.RawMessage {
	all, _ := members(object)
	var b bytes.Buffer
	b.WriteByte('{')
	for _, m := range append(all, more) {
		writeMember(&b, m)
	}
	b.WriteByte('}')
	return b.Bytes()
}
