package tool

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/seed-916e8f6a/toolloop/llm"
)

const (
	// maxResult is how much text of one result a model is given, in bytes. What
	// goes beyond it is left out, and a line at the end says how much.
	maxResult = 256 << 10
	// noOutput stands for a result that is empty: some providers refuse an empty
	// message, and models take one for a failure.
	noOutput = "(no output)"
	unfit    = "The tool ran, but its result could not be written down."
)

// render makes parts of what a function returned.
func render(out any) (llm.Parts, error) {
	parts, err := partsOf(out)
	if err != nil {
		return nil, Fail(Failed, unfit, err)
	}
	return bound(parts), nil
}

func partsOf(out any) (llm.Parts, error) {
	switch out := out.(type) {
	case nil:
		return nil, nil
	case string:
		return llm.Parts{llm.Text{Text: out}}, nil
	case []byte:
		return textOf(out)
	case json.RawMessage:
		return textOf(out)
	case llm.Parts:
		return checkParts(out)
	case []llm.Part:
		return checkParts(out)
	case llm.Part:
		return checkParts(llm.Parts{out})
	}
	s, err := marshal(out)
	if err != nil {
		return nil, err
	}
	return llm.Parts{llm.Text{Text: s}}, nil
}

func textOf(b []byte) (llm.Parts, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("the bytes are not text; return an llm.Image or llm.File")
	}
	return llm.Parts{llm.Text{Text: string(b)}}, nil
}

// checkParts refuses what a tool result cannot hold.
func checkParts(parts llm.Parts) (llm.Parts, error) {
	for _, p := range parts {
		switch p.(type) {
		case llm.Text, llm.Image, llm.Audio, llm.File:
		default:
			return nil, fmt.Errorf("a tool result cannot hold a part of type %T", p)
		}
	}
	return parts, nil
}

// marshal writes a value as JSON, and one that is text as that text. A nil
// slice or map is an empty one: to a model null says that something went wrong.
func marshal(out any) (string, error) {
	v := reflect.ValueOf(out)
	if _, ownJSON := out.(json.Marshaler); !ownJSON {
		_, ownText := out.(encoding.TextMarshaler)
		switch k := v.Kind(); {
		case ownText:
		case k == reflect.String:
			return v.String(), nil
		case k == reflect.Slice && v.IsNil():
			return "[]", nil
		case k == reflect.Map && v.IsNil():
			return "{}", nil
		case k == reflect.Struct && v.NumField() == 0:
			return "", nil
		}
	}
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return "", nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(out); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// bound makes the text of parts valid UTF-8 and cuts it to maxResult in all. It
// leaves the caller's slice alone.
func bound(parts llm.Parts) llm.Parts {
	var bounded llm.Parts
	room, left, empty := maxResult, 0, true
	for _, p := range parts {
		t, isText := p.(llm.Text)
		if !isText {
			bounded, empty = append(bounded, p), false
			continue
		}
		whole := strings.ToValidUTF8(t.Text, "\uFFFD")
		t.Text = cut(whole, room)
		room -= len(t.Text)
		left += len(whole) - len(t.Text)
		empty = empty && whole == ""
		if t.Text != "" || whole == "" {
			bounded = append(bounded, t)
		}
	}
	switch {
	case empty:
		return llm.Parts{llm.Text{Text: noOutput}}
	case left > 0:
		bounded = append(bounded, llm.Text{Text: fmt.Sprintf("\n[The result is cut off: %d of its %d bytes are left out.]", left, left+maxResult-room)})
	}
	return bounded
}

// cut returns at most limit bytes of s, ending between runes.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
