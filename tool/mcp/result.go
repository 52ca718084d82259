package mcp

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// wireResult is the result of a call as the server sends it.
type wireResult struct {
	content    []json.RawMessage
	structured json.RawMessage
	isError    json.RawMessage
	meta       json.RawMessage
}

func (w *wireResult) UnmarshalJSON(text []byte) error {
	return fields{"content": &w.content, "structuredContent": &w.structured, "isError": &w.isError, "_meta": &w.meta}.decode(text)
}

// wireContent is one content item of any type.
type wireContent struct {
	kind, text, data, mime        string
	uri, name, title, description string
	resource                      *wireResource
}

func (w *wireContent) UnmarshalJSON(text []byte) error {
	return fields{
		"type": &w.kind, "text": &w.text, "data": &w.data, "mimeType": &w.mime,
		"uri": &w.uri, "name": &w.name, "title": &w.title, "description": &w.description,
		"resource": &w.resource,
	}.decode(text)
}

type wireResource struct {
	uri, mime  string
	text, blob *string
}

func (w *wireResource) UnmarshalJSON(text []byte) error {
	return fields{"uri": &w.uri, "mimeType": &w.mime, "text": &w.text, "blob": &w.blob}.decode(text)
}

// maxFailureText is how many bytes of a failure's text the model gets.
const maxFailureText = 16 << 10

// result turns a server's result into parts, or into a failure if isError is set.
func result(text json.RawMessage) (llm.Parts, error) {
	var w wireResult
	if err := json.Unmarshal(text, &w); err != nil && len(text) > 0 { // an empty result has no content
		return nil, tool.Fail(tool.Failed, "The tool ran, but the server's answer cannot be read: "+line(string(text), maxErrorText), err)
	}
	r := new(partsBuilder)
	for _, raw := range w.content {
		r.content(raw)
	}
	r.structured(w.structured, w.content)
	switch flag := string(w.isError); flag {
	case "", "null", "false":
		return r.parts, nil
	case "true":
	default: // never take a failure for success
		r.note("isError is %s, which is neither true nor false: it is not known whether the tool failed", line(flag, 64))
	}
	return nil, &tool.Error{Failure: failureOf(w.meta), Message: clip.Cut(textOf(r.parts), maxFailureText)}
}

// textOf returns the text of parts, with a note in place of each image, audio or file.
func textOf(parts llm.Parts) string {
	r := new(partsBuilder)
	for _, p := range parts {
		switch p := p.(type) {
		case llm.Text:
			r.parts = append(r.parts, p)
		case llm.Image:
			r.note("an image, %s, %d bytes", p.MediaType, len(p.Data))
		case llm.Audio:
			r.note("audio, %s, %d bytes", p.Format, len(p.Data))
		case llm.File:
			r.note("a file, %s, %d bytes", p.MediaType, len(p.Data))
		}
	}
	var b strings.Builder
	for _, p := range r.parts {
		b.WriteString(p.(llm.Text).Text)
	}
	return b.String()
}

// A partsBuilder turns content into parts.
type partsBuilder struct{ parts llm.Parts }

// text adds text, on a new line if there is text before.
func (r *partsBuilder) text(s string) {
	if s == "" {
		return
	}
	if n := len(r.parts); n > 0 {
		if before, ok := r.parts[n-1].(llm.Text); ok && !strings.HasSuffix(before.Text, "\n") {
			s = "\n" + s
		}
	}
	r.parts = append(r.parts, llm.Text{Text: s})
}

func (r *partsBuilder) note(format string, args ...any) {
	r.text("[" + fmt.Sprintf(format, args...) + "]")
}

func (r *partsBuilder) content(raw json.RawMessage) {
	var c wireContent
	if json.Unmarshal(raw, &c) != nil {
		r.note("content that cannot be read")
		return
	}
	switch c.kind {
	case "text":
		r.text(c.text)
	case "image", "audio":
		r.data(c.data, c.mime, "", c.kind)
	case "resource_link":
		r.link(c)
	case "resource":
		r.resource(c.resource)
	default:
		r.note("content of the unknown type %q", line(c.kind, 64))
	}
}

func (r *partsBuilder) link(c wireContent) {
	words := []string{}
	for _, s := range []string{c.uri, c.mime, c.name, c.title, c.description} {
		if s = line(s, maxErrorText); s != "" && !slices.Contains(words, s) {
			words = append(words, s)
		}
	}
	r.note("resource: %s", strings.Join(words, ", "))
}

// resource adds an embedded resource, preceded by its URI.
func (r *partsBuilder) resource(w *wireResource) {
	switch {
	case w == nil || w.text == nil && w.blob == nil:
		r.note("a resource without content")
	case w.text != nil:
		r.note("resource: %s", line(w.uri, maxErrorText))
		r.text(*w.text)
	default:
		r.data(*w.blob, w.mime, w.uri, "resource")
	}
}

// imageTypes are the media types of images that models can see.
var imageTypes = []string{"image/png", "image/jpeg", "image/gif", "image/webp"}

// data adds binary data as a part of the right type.
func (r *partsBuilder) data(encoded, mime, uri, what string) {
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		r.note("%s, %s, whose data cannot be decoded", what, line(mime, 128))
		return
	}
	if uri != "" {
		r.note("resource: %s", line(uri, maxErrorText))
	}
	kind, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(mime)), ";")
	switch family, format, _ := strings.Cut(kind, "/"); {
	case slices.Contains(imageTypes, kind), kind == "" && what == "image":
		r.parts = append(r.parts, llm.Image{Data: data, MediaType: kind})
	case family == "audio" || kind == "" && what == "audio":
		r.parts = append(r.parts, llm.Audio{Data: data, Format: audioFormat(format)})
	case isText(kind) && utf8.Valid(data):
		r.text(string(data))
	default:
		r.parts = append(r.parts, llm.File{Name: fileName(uri), Data: data, MediaType: line(kind, 128)})
	}
}

func audioFormat(subtype string) string {
	switch subtype {
	case "mpeg", "mpeg3", "x-mpeg-3":
		return "mp3"
	case "x-wav", "wave", "vnd.wave":
		return "wav"
	}
	return strings.TrimPrefix(line(subtype, 32), "x-")
}

func isText(kind string) bool {
	return strings.HasPrefix(kind, "text/") || kind == "application/json" || kind == "application/xml" ||
		strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+xml")
}

// fileName returns the last segment of a URI's path.
func fileName(uri string) string {
	if u, err := url.Parse(uri); err == nil && u.Path != "" {
		uri = u.Path
	}
	return line(uri[strings.LastIndexByte(uri, '/')+1:], 128)
}

// structured adds a structured result, unless the content contains it.
func (r *partsBuilder) structured(raw json.RawMessage, content []json.RawMessage) {
	if len(raw) == 0 || string(raw) == "null" {
		return
	}
	items := make([]contentItem, len(content))
	for i, c := range content {
		items[i] = newContentItem(c)
	}
	if !contentContains(raw, items) && !contentContains(soleValue(raw), items) {
		r.text(compact(raw))
	}
}

// soleValue returns the value of an object with one member, else nil. A structured
// result must be an object, so servers wrap other values, as in {"result": …}.
func soleValue(object json.RawMessage) json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(object, &members) != nil || len(members) != 1 {
		return nil
	}
	for _, value := range members {
		return value
	}
	return nil
}

// contentContains reports whether one content item holds the value, or whether the
// value is a list and each content item holds one element.
func contentContains(value json.RawMessage, content []contentItem) bool {
	if slices.ContainsFunc(content, newJSONValue(value).matches) {
		return true
	}
	var list []json.RawMessage
	return json.Unmarshal(value, &list) == nil && len(list) > 0 &&
		slices.EqualFunc(list, content, func(v json.RawMessage, c contentItem) bool { return newJSONValue(v).matches(c) })
}

// A contentItem is prepared for comparisons with several values.
type contentItem struct {
	raw  json.RawMessage
	text *string // nil if the item is not text
}

func newContentItem(raw json.RawMessage) contentItem {
	var c wireContent
	if json.Unmarshal(raw, &c) != nil || c.kind != "text" {
		return contentItem{raw: raw}
	}
	return contentItem{raw, &c.text}
}

// A jsonValue is prepared for many comparisons.
type jsonValue struct {
	canonical []byte  // nil if the value is not JSON
	text      *string // nil if the value is not a string
}

func newJSONValue(value json.RawMessage) (v jsonValue) {
	v.canonical, _ = canonical(value)
	var text *string
	if json.Unmarshal(value, &text) == nil { // fails for other types
		v.text = text
	}
	return v
}

// matches reports whether a content item holds the value, as JSON or as text.
func (v jsonValue) matches(item contentItem) bool {
	if item.text != nil && (v.text != nil && *v.text == *item.text || v.equals([]byte(*item.text))) {
		return true
	}
	return v.equals(item.raw)
}

// equals reports whether raw is the same JSON value. The order of members does not
// matter; numbers are compared as text.
func (v jsonValue) equals(raw []byte) bool {
	i := rawjson.SpaceEnd(raw, 0)
	if len(v.canonical) == 0 || i == len(raw) || raw[i] != v.canonical[0] {
		return false // equal values begin with the same byte
	}
	other, ok := canonical(raw)
	return ok && bytes.Equal(v.canonical, other)
}

func canonical(raw []byte) ([]byte, bool) {
	var v any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if dec.Decode(&v) != nil || dec.More() {
		return nil, false
	}
	out, err := json.Marshal(v) // sorts the members
	return out, err == nil
}
