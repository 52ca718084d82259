package report_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"html"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// hostile has texts that act somewhere, if something takes them for more than text.
var hostile = []string{
	`<script>console.error("pwned")</script>`,
	`"><img src=x onerror='console.error("pwned")'>`,
	`</pre></details></article></main></title></style></script><svg/onload=console.error("pwned")>`,
	`javascript:console.error("pwned")`,
	`{{.Title}} ${alert(1)} <!-- ]]> <![CDATA[`,
	"a\u202egpj.exe\u2066b\u200f c",
	"\x1b]0;pwned\x07\x1b[2J\x00\r\nnext \xff\xfe",
	"```\n# pwned\n[x](javascript:alert(1)) @everyone #1 <b>x</b> `a` ~~~\n\n| a | b |\n",
	"www.pwned.example *x* _y_ https://pwned.example/?a=1&b=2",
	"\U000E0070\U000E0077\u2028\u2029\ufeff",
}

// bodies returns the names of all types of events.
func bodies(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("../event/*.go")
	require.NoError(t, err)
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv != nil && fn.Name.Name == "event" && len(fn.Type.Params.List) == 0 {
				if name, ok := fn.Recv.List[0].Type.(*ast.Ident); ok {
					names = append(names, name.Name)
				}
			}
		}
	}
	require.Greater(t, len(names), 20)
	return names
}

var capital = regexp.MustCompile(`(.)([A-Z])`)

// attacks returns events of all types, in which each text is hostile.
func attacks(t *testing.T) (events []event.Event) {
	t.Helper()
	seq := int64(0)
	for _, text := range hostile {
		f := filler{text: text}
		for _, name := range bodies(t) {
			kind := strings.ToLower(capital.ReplaceAllString(name, "${1}_${2}"))
			var e event.Event
			require.NoError(t, json.Unmarshal([]byte(`{"type":"`+kind+`","time":"2026-11-29T09:30:00Z"}`), &e), name)
			body := reflect.New(reflect.TypeOf(e.Body)).Elem()
			f.fill(t, body, 0)
			seq++
			e.Seq, e.Body = seq, body.Interface().(event.Body)
			inside := e
			seq++
			inside.Seq, inside.Path = seq, event.CallRef(text)
			events = append(events, e, inside)
		}
	}
	return events
}

// A filler sets all texts in a value.
type filler struct {
	text   string
	filled int
}

func (f *filler) fill(t *testing.T, v reflect.Value, depth int) {
	t.Helper()
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(start))
		return
	case v.Type() == reflect.TypeFor[json.RawMessage]():
		v.SetBytes([]byte(f.text))
		return
	case v.Type() == reflect.TypeFor[llm.Parts]():
		if depth < 6 {
			v.Set(reflect.ValueOf(f.parts(t, depth+1)))
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(f.text)
		f.filled++
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(3)
	case reflect.Float64:
		v.SetFloat(0.5)
	case reflect.Uint8:
		v.SetUint('<')
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(t, v.Elem(), depth)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			f.fill(t, v.Index(i), depth)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(t, key, depth)
		f.fill(t, value, depth)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				f.fill(t, v.Field(i), depth)
			}
		}
	default:
		require.Fail(t, "a field that this test does not fill", v.Type())
	}
}

// parts returns one hostile part of each type.
func (f *filler) parts(t *testing.T, depth int) (all llm.Parts) {
	t.Helper()
	for _, p := range []llm.Part{llm.Text{}, llm.Reasoning{}, llm.Refusal{}, llm.Image{}, llm.Audio{}, llm.File{}, llm.ToolCall{}, llm.ToolResult{}, llm.RawPart{}} {
		v := reflect.New(reflect.TypeOf(p)).Elem()
		f.fill(t, v, depth+3)
		all = append(all, v.Interface().(llm.Part))
	}
	all = append(all, llm.Image{URL: f.text}, llm.Image{URL: "data:image/svg+xml," + f.text})
	return all
}

// allowed are the tags of a page: of its template, with constants, numbers and escaped
// titles as attributes.
var allowed = regexp.MustCompile(`^(<!DOCTYPE html>|<meta [^<>]*>|</?[a-z0-9]+` +
	`( (class|lang|id|role|type|placeholder|aria-[a-z]+|autocomplete|spellcheck|for|viewBox|preserveAspectRatio|x|y|width|height|tabindex|dir|title|href)="[^"<>]*"| hidden| data-problem)*>)$`)

var links = regexp.MustCompile(`href="([^"]*)"`)

// TestHostile: nothing in an event is more than text.
func TestHostile(t *testing.T) {
	t.Parallel()
	events := attacks(t)
	got := page(t, events)
	require.Equal(t, 1, strings.Count(got, "<script"))
	require.Equal(t, 1, strings.Count(got, "<style"))
	for _, tag := range tag.FindAllString(acting.ReplaceAllString(got, ""), -1) {
		require.Regexp(t, allowed, tag)
	}
	for _, m := range links.FindAllStringSubmatch(got, -1) {
		require.Regexp(t, `^#(e[0-9]+|session)$`, m[1])
	}
	for _, want := range []string{"⟨U+202E⟩", "⟨U+001B⟩]0;pwned⟨U+0007⟩", "⟨U+E0070⟩", hostile[0]} {
		require.True(t, strings.Contains(html.UnescapeString(got), want), want)
	}
	require.False(t, strings.ContainsAny(got+ticket(t, events), "\x00\x1b\x07\r\u202e\u2066\u2028\ufeff\U000E0070"))
}

// TestHostileAlone: each hostile event alone makes a page and a ticket in which the text
// stands, if it stands there, as text.
func TestHostileAlone(t *testing.T) {
	t.Parallel()
	shown := 0
	for _, e := range attacks(t) {
		events := []event.Event{e}
		for _, tag := range tag.FindAllString(acting.ReplaceAllString(page(t, events), ""), -1) {
			require.Regexp(t, allowed, tag, e.Type())
		}
		prose := proseOf(t, ticket(t, events))
		require.NotRegexp(t, `[<>@*_\[\]|~]|pwned|https?:|www\.|#1`, strings.ReplaceAll(prose, "# ", ""), e.Type())
		if strings.Contains(textOf(page(t, events)), "pwned") {
			shown++
		}
	}
	require.Greater(t, shown, 100)
}

// proseOf returns what Markdown does not take for code. It reads as CommonMark does: a
// fence ends with a line of at least as many backticks, a span with as many backticks.
func proseOf(t *testing.T, md string) string {
	t.Helper()
	var prose strings.Builder
	open := ""
	for line := range strings.Lines(md) {
		ticks := line[:len(line)-len(strings.TrimLeft(line, "`"))]
		switch {
		case open == "" && len(ticks) >= 3 && strings.TrimSpace(line) == ticks+"text":
			open = ticks
		case open != "" && len(ticks) >= len(open) && strings.TrimSpace(line) == ticks:
			open = ""
		case open == "":
			prose.WriteString(spans(line))
		}
	}
	require.Empty(t, open, "a fence without an end")
	return prose.String()
}

var ticks = regexp.MustCompile("`+")

// spans removes the spans of code of a line.
func spans(line string) string {
	for {
		first := ticks.FindStringIndex(line)
		if first == nil {
			return line
		}
		n, end := first[1]-first[0], -1
		for _, m := range ticks.FindAllStringIndex(line[first[1]:], -1) {
			if m[1]-m[0] == n {
				end = first[1] + m[1]
				break
			}
		}
		if end < 0 {
			return line
		}
		line = line[:first[0]] + line[end:]
	}
}
