package llmtest

import (
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// An object is a JSON object that is being written, its members in order.
type object []llm.Member

// set appends a member with the JSON of v, which is always one that marshals.
func (o *object) set(name string, v any) {
	if nested, ok := v.(object); ok {
		o.put(name, nested.String())
		return
	}
	b, err := marshal(v)
	if err != nil {
		panic("llmtest: member " + name + ": " + err.Error()) // a bug of ours
	}
	o.put(name, string(b))
}

// put appends a member with a value that is JSON already.
func (o *object) put(name, value string) {
	*o = append(*o, llm.Member{Name: name, Value: value})
}

func (o object) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quoted(m.Name) + ":" + m.Value)
	}
	b.WriteByte('}')
	return b.String()
}

// quoted returns s as a JSON string.
func quoted(s string) string {
	b, _ := marshal(s) // a string always marshals
	return string(b)
}
