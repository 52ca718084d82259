package mcp

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// cleanSchema removes invisible characters from the descriptions of a schema.
// Everything else stays as it is, with the order of members and all digits: names and
// values must be the server's own.
func cleanSchema(raw json.RawMessage) (json.RawMessage, error) {
	if string(raw) == "true" {
		return json.RawMessage("{}"), nil
	}
	if isPlain(raw) {
		return raw, nil
	}
	c := cleaner{dec: json.NewDecoder(bytes.NewReader(raw))}
	c.dec.UseNumber()
	if err := c.value("", 0); err != nil {
		return nil, err
	}
	return c.out.Bytes(), nil
}

// isPlain reports whether a schema has no characters to remove.
func isPlain(raw json.RawMessage) bool {
	for _, b := range raw {
		if b >= 0x7F || b == '\\' {
			return false
		}
	}
	return true
}

var (
	errDeep           = errors.New("its schema is too deep")
	errDeceptiveChars = errors.New("its schema has names or values with invisible characters")
)

const maxSchemaDepth = 200

type cleaner struct {
	dec *json.Decoder
	out bytes.Buffer
}

// value writes the next value. name is the member's name.
func (c *cleaner) value(name string, depth int) error {
	if depth > maxSchemaDepth {
		return errDeep
	}
	token, err := c.dec.Token()
	if err != nil {
		return errors.New("its schema is not valid JSON")
	}
	switch token := token.(type) {
	case json.Delim:
		return c.group(token, name, depth)
	case string:
		return c.text(name, token)
	case json.Number:
		c.out.WriteString(token.String())
	case bool:
		text, _ := json.Marshal(token) // cannot fail: it is a bool
		c.out.Write(text)
	case nil:
		c.out.WriteString("null")
	}
	return nil
}

func (c *cleaner) group(open json.Delim, name string, depth int) error {
	c.out.WriteByte(byte(open))
	for n := 0; c.dec.More(); n++ {
		if n > 0 {
			c.out.WriteByte(',')
		}
		inner := name
		if open == '{' {
			key, err := c.dec.Token()
			if err != nil {
				return errors.New("its schema is not valid JSON")
			}
			inner, _ = key.(string) // an object's key is always a string
			if err := c.text("", inner); err != nil {
				return err
			}
			c.out.WriteByte(':')
		}
		if err := c.value(inner, depth+1); err != nil {
			return err
		}
	}
	end, err := c.dec.Token()
	if err != nil {
		return errors.New("its schema is not valid JSON")
	}
	c.out.WriteString(end.(json.Delim).String())
	return nil
}

func (c *cleaner) text(name, s string) error {
	switch {
	case name == "description" || name == "title" || name == "$comment":
		s = visible(s)
	case hasDeceptiveChars(s):
		return errDeceptiveChars
	}
	e := json.NewEncoder(&c.out)
	e.SetEscapeHTML(false)
	if err := e.Encode(strings.ToValidUTF8(s, "\uFFFD")); err != nil {
		return err
	}
	c.out.Truncate(c.out.Len() - 1) // the newline of Encode
	return nil
}
