package rawjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// An Object is a JSON object under construction, with its members in order.
type Object []llm.Member

// Set appends a member with the JSON of v. v must marshal without an error.
func (o *Object) Set(name string, v any) {
	if nested, ok := v.(Object); ok {
		o.Put(name, nested.String())
		return
	}
	b, err := Marshal(v)
	if err != nil {
		panic("rawjson: member " + name + ": " + err.Error()) // a bug in this library
	}
	o.Put(name, string(b))
}

// Put appends a member whose value is JSON already.
func (o *Object) Put(name, value string) {
	*o = append(*o, llm.Member{Name: name, Value: value})
}

func (o Object) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(Quote(m.Name) + ":" + m.Value)
	}
	b.WriteByte('}')
	return b.String()
}

// Quote returns s as a JSON string.
func Quote(s string) string {
	return string(AppendString(nil, s))
}

// Marshal is json.Marshal without the escapes for HTML.
func Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// NumberOf returns a stand-in such as "[call 2]" for an id that differs from run to run.
// Equal texts get equal numbers; seen holds them. The empty text stays empty.
func NumberOf(seen map[string]string, text, kind string) string {
	if text == "" {
		return ""
	}
	if _, ok := seen[text]; !ok {
		seen[text] = fmt.Sprintf("[%s %d]", kind, len(seen)+1)
	}
	return seen[text]
}
