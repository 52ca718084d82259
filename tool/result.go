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

	"github.com/seed-916e8f6a/toolloop/internal/secret"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool/internal/gotype"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

const (
	// defaultMaxResult is how much text of one result a model is given, in bytes.
	defaultMaxResult = 256 << 10
	// maxData is how many bytes of images, audio and files one result may hold.
	maxData = 32 << 20
	// maxRead is how much of a reader is read, and how much more to tell how much
	// was left out.
	maxRead = 64 << 20
	// lookahead is how far beyond the bound text is searched for passwords, so
	// that the bound cannot hide the end of a URL that makes them some.
	lookahead = 4 << 10
	// noOutput stands for a result that is empty: some providers refuse an empty
	// message, and models take one for a failure.
	noOutput = "(no output)"
	unfit    = "The tool ran, but its result could not be written down."
)

var readerType = reflect.TypeFor[io.Reader]()

// render makes parts of what a function returned for a call, with at most limit
// bytes of text; -1 is no limit.
func render(c Call, out any, limit int) (llm.Parts, error) {
	if limit < 0 {
		limit = math.MaxInt
	}
	b := bounding{room: limit, verbatim: c.KeepPasswords}
	if r, ok := reader(out); ok {
		text, more, err := readText(r, limit)
		if err != nil {
			return nil, Fail(Failed, unfit, err)
		}
		b.unread = more
		return b.bound(llm.Parts{llm.Text{Text: text}}), nil
	}
	parts, err := partsOf(out)
	if err != nil {
		return nil, Fail(Failed, unfit, err)
	}
	return b.bound(parts), nil
}

// reader returns out, or a pointer to it, if that is one and has no JSON of its own.
func reader(out any) (io.Reader, bool) {
	v := reflect.ValueOf(out)
	if out == nil || !readable(v.Type()) || v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, false
	}
	if r, ok := out.(io.Reader); ok {
		return r, true
	}
	return addressable(v).Addr().Interface().(io.Reader), true
}

// readable reports whether a result of the type is read.
func readable(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer && writesItself(t.Elem()) {
		return false
	}
	return gotype.Implements(t, readerType) && !writesItself(t)
}

// readText reads what a model is given of r, and how many bytes there are beyond.
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
		return nil, errBinary
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

// marshal writes a value as JSON, and one that is text, or an error, as that text. A
// nil slice or map is an empty one: to a model null says that something went wrong.
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

// bounding is what a result may still hold.
type bounding struct {
	verbatim bool // passwords stay

	room   int   // bytes of text
	data   int   // bytes of data that were taken
	whole  int64 // bytes of text that there were
	left   int64 // that are left out of it
	unread int64 // that were not even kept in memory
	kept   llm.Parts
}

// bound makes the text of parts valid UTF-8, cuts the passwords of its URLs unless
// they are to stay, and cuts it to the room that there is. Text that is empty is left out: some
// providers refuse it. The caller's slice stays as it is.
func (b *bounding) bound(parts llm.Parts) llm.Parts {
	for _, p := range parts {
		if t, isText := p.(llm.Text); isText {
			b.text(t)
			continue
		}
		b.part(p)
	}
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

func (b *bounding) keep(p llm.Part) { b.kept = append(b.kept, p) }

func (b *bounding) text(t llm.Text) {
	all := strings.ToValidUTF8(t.Text, "\uFFFD")
	near := tree.Cut(all, min(b.room, math.MaxInt-lookahead)+lookahead)
	shown := near
	if !b.verbatim {
		shown = secret.CutUserinfo(near, secret.PasswordEnd)
	}
	t.Text = tree.Cut(shown, b.room)
	b.room -= len(t.Text)
	b.whole += int64(len(shown) + len(all) - len(near))
	b.left += int64(len(shown) - len(t.Text) + len(all) - len(near))
	if t.Text != "" {
		b.keep(t)
	}
}

// part keeps an image, audio or file as long as the sum of the data is in bounds.
func (b *bounding) part(p llm.Part) {
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
