// Package hostile has events with texts that attack pages, for tests of the pages.
package hostile

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// Texts act in a page or a terminal, if the program takes them for markup.
var Texts = []string{
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

// bodies returns the names of all types of events, from the files of package event.
func bodies(t testing.TB, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	check(t, err)
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		check(t, err)
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv != nil && fn.Name.Name == "event" && len(fn.Type.Params.List) == 0 {
				if name, ok := fn.Recv.List[0].Type.(*ast.Ident); ok {
					names = append(names, name.Name)
				}
			}
		}
	}
	if len(names) < 20 {
		t.Fatalf("%s has only the events %q", dir, names)
	}
	return names
}

var capital = regexp.MustCompile(`(.)([A-Z])`)

// Events returns events of all types with hostile texts in all fields. dir is the directory of
// package event, as the test sees it.
func Events(t testing.TB, dir string) []event.Event {
	t.Helper()
	return fill(t, dir, false)
}

func fill(t testing.TB, dir string, valid bool) (events []event.Event) {
	t.Helper()
	seq := int64(0)
	for _, text := range Texts {
		f := filler{text: text, valid: valid}
		for _, name := range bodies(t, dir) {
			kind := strings.ToLower(capital.ReplaceAllString(name, "${1}_${2}"))
			var e event.Event
			check(t, json.Unmarshal([]byte(`{"type":"`+kind+`","time":"2026-11-29T09:30:00Z"}`), &e))
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

// order is the order of the events of a run. Other types stand before run_finished.
var order = []string{
	"run_started", "user_messaged", "turn_prepared", "reasoning_delta", "text_delta", "call_delta", "model_answered", "approval_asked",
	"approval_decided", "tool_call_started", "tool_progress", "tool_call_deferred", "tool_call_finished",
}

// Story returns the events of Events in the order of runs, for programs that tell a run: for
// each text a run with all types of events, also inside of a helper. JSON in them is valid, as
// in a session, and deltas have no Seq.
func Story(t testing.TB, dir string) (events []event.Event) {
	t.Helper()
	rank := func(e event.Event) int {
		if i := slices.Index(order, e.Type()); i >= 0 {
			return i
		}
		return len(order) + strings.Count(e.Type(), "run_")
	}
	all := fill(t, dir, true)
	each := len(all) / len(Texts)
	for i := range Texts {
		part := all[i*each : (i+1)*each]
		slices.SortStableFunc(part, func(a, b event.Event) int { return rank(a) - rank(b) })
		events = append(events, part...)
	}
	for i := range events {
		if !strings.Contains(" text_delta reasoning_delta call_delta partial_output tool_progress restarted notice ", " "+events[i].Type()+" ") {
			continue
		}
		events[i].Seq = 0
	}
	seq := int64(0)
	for i := range events {
		if e := &events[i]; e.Seq > 0 {
			seq++
			e.Seq = seq
		}
	}
	return events
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A filler sets all texts in a value.
type filler struct {
	text   string
	valid  bool // JSON is a JSON string
	filled int
}

func (f *filler) fill(t testing.TB, v reflect.Value, depth int) {
	t.Helper()
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2026, 11, 29, 9, 30, 0, 0, time.UTC)))
		return
	case v.Type() == reflect.TypeFor[json.RawMessage]():
		data := []byte(f.text)
		if f.valid {
			var err error
			data, err = json.Marshal(f.text)
			check(t, err)
		}
		v.SetBytes(data)
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
		t.Fatalf("a field that nothing fills: %v", v.Type())
	}
}

// parts returns one hostile part of each type.
func (f *filler) parts(t testing.TB, depth int) (all llm.Parts) {
	t.Helper()
	for _, p := range []llm.Part{llm.Text{}, llm.Reasoning{}, llm.Refusal{}, llm.Image{}, llm.Audio{}, llm.File{}, llm.ToolCall{}, llm.ToolResult{}, llm.RawPart{}} {
		v := reflect.New(reflect.TypeOf(p)).Elem()
		f.fill(t, v, depth+3)
		part := v.Interface().(llm.Part)
		if raw, ok := part.(llm.RawPart); ok && f.valid {
			text, err := json.Marshal(f.text)
			check(t, err)
			raw.JSON = `{"type":"foreign","text":` + string(text) + `}`
			part = raw
		}
		all = append(all, part)
	}
	all = append(all, llm.Image{URL: f.text}, llm.Image{URL: "data:image/svg+xml," + f.text})
	return all
}
