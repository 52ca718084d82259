package tool

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/internal/secret"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool/internal/gotype"
)

const (
	// defaultMaxResult bounds the text of one result, in bytes.
	defaultMaxResult = 256 << 10
	// maxWhole bounds the text of a result that the engine keeps whole, in bytes.
	maxWhole = 16 << 20
	// maxData bounds the images, audio and files of one result, in bytes.
	maxData = 32 << 20
	// maxRead bounds the bytes read from an io.Reader. Up to as many further bytes are
	// counted, for the line about dropped text.
	maxRead = 64 << 20
	// lookahead is the number of bytes beyond the bound that are searched for passwords.
	// A URL may be recognisable only by its end, which the bound would hide.
	lookahead = 4 << 10
	// noOutput stands for an empty result: some providers refuse an empty message, and
	// models take an empty message for a failure.
	noOutput    = "(no output)"
	notRendered = "The tool ran, but its result could not be written down."
)

var readerType = reflect.TypeFor[io.Reader]()

// bound returns the bytes of text that the result of a call may have; -1 means no limit.
func (s *spec) bound(c Call) int {
	switch {
	case s.maxResult != 0:
		return s.maxResult
	case c.KeepWhole:
		return maxWhole
	}
	return defaultMaxResult
}

// render converts the result of a function to parts, with at most limit bytes of text.
// -1 means no limit.
func render(c Call, out any, limit int) (llm.Parts, error) {
	if limit < 0 {
		limit = math.MaxInt
	}
	b := resultParts{room: limit, verbatim: c.KeepPasswords}
	if text, ok := out.(string); ok { // the usual result
		b.text(llm.Text{Text: text})
		return b.ended(), nil
	}
	if r, ok := asReader(out); ok {
		text, more, err := readText(r, limit)
		if err != nil {
			return nil, Fail(Failed, notRendered, err)
		}
		b.unread = more
		return b.bound(llm.Parts{llm.Text{Text: text}}), nil
	}
	parts, err := partsOf(out)
	if err != nil {
		return nil, Fail(Failed, notRendered, err)
	}
	return b.bound(parts), nil
}

// asReader returns out, or a pointer to out, as an io.Reader, unless out defines its JSON.
func asReader(out any) (io.Reader, bool) {
	v := reflect.ValueOf(out)
	if out == nil || !readable(v.Type()) || v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, false
	}
	if r, ok := out.(io.Reader); ok {
		return r, true
	}
	return addressable(v).Addr().Interface().(io.Reader), true
}

// readable reports whether a result of type t is read as an io.Reader.
func readable(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer && writesItself(t.Elem()) {
		return false
	}
	return gotype.Implements(t, readerType) && !writesItself(t)
}

// readText reads the text of r up to limit and counts the bytes beyond.
func readText(r io.Reader, limit int) (text string, more int64, err error) {
	if c, ok := r.(io.Closer); ok {
		defer func() { err = cmp.Or(err, c.Close()) }()
	}
	b, err := io.ReadAll(io.LimitReader(r, int64(min(limit, maxRead)+lookahead)))
	if err != nil {
		return "", 0, err
	}
	more, err = io.Copy(io.Discard, io.LimitReader(r, maxRead))
	if err != nil {
		return "", 0, err
	}
	whole := b
	for i := 0; more > 0 && i < utf8.UTFMax-1 && !utf8.Valid(whole); i++ { // the cut may be inside a rune
		whole = whole[:len(whole)-1]
	}
	if !utf8.Valid(whole) {
		return "", 0, errBinary
	}
	return string(whole), more + int64(len(b)-len(whole)), nil
}

var errBinary = errors.New("the bytes are not text; return an llm.Image or llm.File")

func partsOf(out any) (llm.Parts, error) {
	switch out := out.(type) {
	case nil:
		return nil, nil
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
		return nil, errBinary
	}
	return llm.Parts{llm.Text{Text: string(b)}}, nil
}

// checkParts refuses parts that a tool result cannot hold.
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

// marshal writes a value as JSON. Strings and errors are written as plain text. A nil
// slice or map is written as an empty value, because null reads like an error to a
// model.
func marshal(out any) (string, error) {
	v := addressable(reflect.ValueOf(out))
	t := v.Type()
	inner := v
	if v.Kind() == reflect.Pointer {
		inner = v.Elem()
	}
	if inner.IsValid() && isError(inner.Type()) {
		if text, ok := errorText(inner); ok {
			return text, nil
		}
	}
	if !writesItself(t) {
		switch k := v.Kind(); {
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
	return writeJSON(v)
}

// resultParts collects the parts of a result within the bounds.
type resultParts struct {
	verbatim bool // keep passwords

	room   int   // bytes of text that still fit
	data   int   // bytes of images, audio and files so far
	whole  int64 // bytes of text in the whole result
	left   int64 // bytes of text that were dropped
	unread int64 // bytes of text that were only counted
	kept   llm.Parts
}

// bound makes the text of parts valid UTF-8, cuts the passwords of URLs unless verbatim
// is set, and cuts the text to the remaining room. Empty text is dropped, because some
// providers refuse empty text. The caller's slice is not changed.
func (b *resultParts) bound(parts llm.Parts) llm.Parts {
	for _, p := range parts {
		if t, isText := p.(llm.Text); isText {
			b.text(t)
			continue
		}
		b.part(p)
	}
	return b.ended()
}

// ended adds the line about dropped text, and the text that stands for an empty result.
func (b *resultParts) ended() llm.Parts {
	if left := b.left + b.unread; left > 0 {
		of := strconv.FormatInt(b.whole+b.unread, 10)
		if b.unread >= maxRead {
			of = "more than " + strconv.FormatInt(b.whole+maxRead, 10)
		}
		b.keep(llm.Text{Text: fmt.Sprintf("\n[The result is cut off: %d of its %s bytes are left out.]", left, of)})
	}
	if len(b.kept) == 0 {
		b.keep(llm.Text{Text: noOutput})
	}
	return b.kept
}

func (b *resultParts) keep(p llm.Part) { b.kept = append(b.kept, p) }

func (b *resultParts) text(t llm.Text) {
	all := strings.ToValidUTF8(t.Text, "\uFFFD")
	near := clip.Cut(all, min(b.room, math.MaxInt-lookahead)+lookahead)
	shown := near
	if !b.verbatim {
		shown = secret.CutUserinfo(near, secret.PasswordEnd)
	}
	t.Text = clip.Cut(shown, b.room)
	b.room -= len(t.Text)
	b.whole += int64(len(shown) + len(all) - len(near))
	b.left += int64(len(shown) - len(t.Text) + len(all) - len(near))
	if t.Text != "" {
		b.keep(t)
	}
}

// part keeps an image, audio or file if the sum of the data stays in bounds.
func (b *resultParts) part(p llm.Part) {
	var size int
	var what string
	switch p := p.(type) {
	case llm.Image:
		size, what = len(p.Data)+len(p.URL), "An image"
	case llm.Audio:
		size, what = len(p.Data)+len(p.Transcript), "Audio"
	case llm.File:
		size, what = len(p.Data), "A file"
	}
	if b.data+size > maxData {
		b.keep(llm.Text{Text: fmt.Sprintf("[%s of %d bytes is left out: a result holds at most %d.]", what, size, maxData)})
		return
	}
	b.data += size
	b.keep(p)
}
