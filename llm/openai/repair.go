package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// This file decides, when an answer is whole, what its tool calls amount to. It
// undoes what servers on the way did to a call, where that leaves no doubt. What
// a model did wrong is left as it stands for package tool, which has the schema,
// and for the model itself. docs/decisions/wire.md has the table of repairs.

// What a notice says of a repair.
const (
	wasEncodedTwice = "its arguments were encoded more than once, and are unwrapped"
	wasSentAgain    = "its arguments were sent more than once, and count once"
	wasNamed        = "the model called it %q"
)

// settle ends the calls and returns them, with a text for each repair.
func (c *calls) settle() (parts []llm.Part, repairs []string) {
	c.findCopies()
	for _, s := range c.slots {
		if s.echo && s.empty() || s.nothing() {
			continue
		}
		if s.again {
			repairs = append(repairs, fmt.Sprintf("tool call %q: %s", c.resolve(s.name), wasSentAgain))
			continue
		}
		call := llm.ToolCall{ID: s.id, Name: c.resolve(s.name), Extra: s.extra.members()}
		var repair string
		call.Arguments, repair = s.arguments()
		for _, text := range []string{repair, renamed(s.name, call.Name)} {
			if text != "" {
				repairs = append(repairs, fmt.Sprintf("tool call %q: %s", call.Name, text))
			}
		}
		parts = append(parts, call)
	}
	return parts, repairs
}

// findCopies marks the calls that repeat others. What a copy says beyond its
// original, the original takes over.
func (c *calls) findCopies() {
	for _, s := range c.slots {
		o := s.after
		if s.former && o == nil {
			o = c.modern(s)
		}
		if o == nil || !s.repeats(o) {
			continue
		}
		s.again = true
		o.id = cmpOr(o.id, s.id)
		for _, m := range s.extra.members() {
			o.extra.update(m.Name, []byte(m.Value))
		}
	}
}

// modern returns the call that s, in the form before tools, stands for, or nil.
func (c *calls) modern(s *slot) *slot {
	for _, o := range c.slots {
		if !o.former && s.repeats(o) {
			return o
		}
	}
	return nil
}

// repeats reports whether s has the name and the arguments of o.
func (s *slot) repeats(o *slot) bool {
	a, _ := s.arguments()
	b, _ := o.arguments()
	return s.name == o.name && json.Valid([]byte(a)) && json.Valid([]byte(b)) && sameJSON([]byte(a), []byte(b))
}

// resolve returns the declared tool that name means: the one of that name, or
// else the one that is left of it without white space and "functions.", with
// which some models call tools. A name that means none stays as it is.
func (c *calls) resolve(name string) string {
	if c.declared[name] {
		return name
	}
	if bare := strings.TrimPrefix(strings.TrimSpace(name), "functions."); c.declared[bare] {
		return bare
	}
	return name
}

func renamed(from, to string) string {
	if from == to {
		return ""
	}
	return fmt.Sprintf(wasNamed, clip(from, 100))
}

// arguments decides what the fragments of s amount to, and says what of it is a
// repair. Nothing at all, blanks and null stand for no arguments: {}. Nothing
// else does: what cannot be told stays as it came.
func (s *slot) arguments() (text, repair string) {
	text = strings.Join(s.fragments, "")
	switch {
	case text == "" || text == s.object:
		text = s.object
	case s.object != "" && s.object != "{}": // which of the two it is, nobody can tell
		return s.object + text, ""
	}
	switch strings.TrimSpace(text) {
	case "", "null":
		return "{}", ""
	}
	if json.Valid([]byte(text)) {
		if inner, ok := unwrap(text); ok {
			return inner, wasEncodedTwice
		}
		return text, ""
	}
	if once, ok := grown(s.fragments); ok {
		return once, wasSentAgain
	}
	if once, ok := repeated(text); ok {
		return once, wasSentAgain
	}
	return text, ""
}

// grown returns the last fragment if each one repeats all before it, and the
// last is an object. It is asked only where the fragments joined are no JSON:
// those of an honest stream can grow like that, too.
func grown(fragments []string) (string, bool) {
	for i := 1; i < len(fragments); i++ {
		if !strings.HasPrefix(fragments[i], fragments[i-1]) {
			return "", false
		}
	}
	if len(fragments) < 2 {
		return "", false
	}
	return objectIn(fragments[len(fragments)-1])
}

// repeated returns the object of which text is two or more copies. The copy that
// some servers send behind the fragments of it is one of these.
func repeated(text string) (string, bool) {
	d := json.NewDecoder(strings.NewReader(text))
	var first, next json.RawMessage
	if d.Decode(&first) != nil {
		return "", false
	}
	for {
		switch err := d.Decode(&next); {
		case errors.Is(err, io.EOF):
			return objectIn(string(first))
		case err != nil || !sameJSON(first, next):
			return "", false
		}
	}
}

// sameJSON reports whether a and b, which are valid, differ in white space at most.
func sameJSON(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y bytes.Buffer
	_, _ = json.Compact(&x, a), json.Compact(&y, b)
	return bytes.Equal(x.Bytes(), y.Bytes())
}

// objectIn returns the object that text is, or that is encoded in it.
func objectIn(text string) (string, bool) {
	if isObject(text) {
		return text, true
	}
	return unwrap(text)
}

// mostWraps bounds how often arguments may have been encoded.
const mostWraps = 3

// unwrap returns the object that is encoded in a JSON string, or in a string in
// that. Any other string is what the model wrote.
func unwrap(text string) (string, bool) {
	for range mostWraps {
		text = strings.TrimSpace(text)
		if !strings.HasPrefix(text, `"`) || json.Unmarshal([]byte(text), &text) != nil {
			return "", false
		}
		if isObject(text) {
			return text, true
		}
	}
	return "", false
}
