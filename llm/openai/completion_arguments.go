package openai

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// This file decides at the end of an answer about the arguments of each tool call.
// The file reverts what servers between model and client did to a call, if the case
// is certain. Mistakes of the model stay: package tool has the schema to repair the
// arguments, or the model corrects the call. docs/decisions/wire.md has the table of
// repairs.

// Texts of notices about repairs.
const (
	wasEncodedTwice = "its arguments were encoded more than once, and are unwrapped"
	wasSentAgain    = "its arguments were sent more than once, and count once"
	wasNamed        = "the model called it %q"
)

// finalize ends the calls and returns them, with a text for each repair.
func (c *calls) finalize() (parts llm.Parts, repairs []string) {
	c.markRepeated()
	parts = make(llm.Parts, 0, len(c.list))
	for _, s := range c.list {
		if s.repeatsName && s.empty() || s.isNoCall() {
			continue
		}
		if s.repeated {
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

// markRepeated marks repetitions of calls. The original takes over all further
// members of a repetition.
func (c *calls) markRepeated() {
	for _, s := range c.list {
		o := s.original
		if s.functionCall && o == nil {
			o = c.toolCallLike(s)
		}
		if o == nil || !s.equals(o) {
			continue
		}
		s.repeated = true
		o.id = cmp.Or(o.id, s.id)
		for _, m := range s.extra.members() {
			o.extra.merge(m.Name, []byte(m.Value))
		}
	}
}

// toolCallLike returns the entry of tool_calls with the content of s, a
// function_call, or nil.
func (c *calls) toolCallLike(s *partialCall) *partialCall {
	for _, o := range c.list {
		if !o.functionCall && s.equals(o) {
			return o
		}
	}
	return nil
}

// equals reports whether s has the name and the arguments of o.
func (s *partialCall) equals(o *partialCall) bool {
	a, _ := s.arguments()
	b, _ := o.arguments()
	return s.name == o.name && rawjson.Valid(a) && rawjson.Valid(b) && sameJSON([]byte(a), []byte(b))
}

// resolve returns the declared tool for name: the tool of that name, or else
// the tool for name without white space and "functions.", which some models
// add. A name without a tool stays unchanged.
func (c *calls) resolve(name string) string {
	if c.declared.has(name) {
		return name
	}
	if bare := strings.TrimPrefix(strings.TrimSpace(name), "functions."); c.declared.has(bare) {
		return bare
	}
	return name
}

func renamed(from, to string) string {
	if from == to {
		return ""
	}
	return fmt.Sprintf(wasNamed, clip.Bytes(from, 100))
}

// arguments joins the fragments of s and names the repair, if any. Only empty
// text, blanks and null become {}. Ambiguous arguments stay unchanged.
func (s *partialCall) arguments() (text, repair string) {
	text = strings.Join(s.fragments, "")
	switch {
	case text == "" || text == s.object:
		text = s.object
	case s.object != "" && s.object != "{}": // nobody can tell which of the two is right
		return s.object + text, ""
	}
	switch strings.TrimSpace(text) {
	case "", "null":
		return "{}", ""
	}
	if rawjson.Valid(text) {
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

// grown returns the last fragment if each fragment repeats all earlier text and
// the last is an object. Call grown only if the joined fragments are not JSON,
// because fragments of an honest stream can look the same.
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

// repeated returns the object if text consists of two or more copies of one
// object. Some servers send such a copy after the fragments.
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

// sameJSON reports whether a and b, both valid, differ at most in white space.
func sameJSON(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y bytes.Buffer
	_, _ = json.Compact(&x, a), json.Compact(&y, b)
	return bytes.Equal(x.Bytes(), y.Bytes())
}

// objectIn returns the object in text, or the object encoded in text.
func objectIn(text string) (string, bool) {
	if isObject(text) {
		return text, true
	}
	return unwrap(text)
}

// maxWraps limits how often arguments can be encoded.
const maxWraps = 3

// unwrap returns the object that is encoded in a JSON string, up to maxWraps times. A
// string without an object inside stays, because the model wrote the string on
// purpose.
func unwrap(text string) (string, bool) {
	if !strings.HasPrefix(strings.TrimSpace(text), `"`) {
		return "", false
	}
	return unwrapString(text)
}

func unwrapString(text string) (string, bool) {
	for range maxWraps {
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
