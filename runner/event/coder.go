package event

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A coder writes the JSON of an event or reads JSON that a coder has written, in one pass
// and without reflection: encoding/json needs 15 times as long to read an event, and the
// time to open a session is the time to read its events.
//
// A coder knows a single form: the members in the order of the Go fields, without white
// space. At any other text or value a coder fails, and the caller uses encoding/json.
// FuzzJSON proves both equal.
//
// Each function of a member serves both directions: it writes *v, or reads the member into
// *v. A member that is missing in the text leaves *v unchanged. The names begin with a
// comma and end with a colon, as in `,"call":`.
type coder struct {
	b       []byte // the text so far, or the text to read
	reading bool
	failed  bool
	at      int // the place of reading in b
	first   int // the place of the first member of the current object
	depth   int // of the parts
}

// maxDepth bounds the depth of what a coder reads. encoding/json has such a bound, too,
// but reads the text as a whole.
const maxDepth = 100

// coders has coders between two uses, with the memory of their texts.
var coders = sync.Pool{New: func() any { return new(coder) }}

// words are texts of many events. Reading them allocates nothing.
var words = wordsOf(slices.Collect(maps.Keys(kinds)),
	string(llm.RoleUser), string(llm.RoleAssistant), string(llm.RoleTool), string(llm.FinishStop), string(llm.FinishToolCalls))

// maxWord bounds the texts that are looked up among the words, in bytes.
const maxWord = 20

func wordsOf(names []string, others ...string) map[string]string {
	m := map[string]string{}
	for _, w := range append(names, others...) {
		m[w] = w
	}
	return m
}

// maxKept bounds the text whose memory a coder keeps.
const maxKept = 64 << 10

// write returns the JSON of a usual event, or nil.
func (e Event) write() []byte {
	c := coders.Get().(*coder)
	defer coders.Put(c)
	*c = coder{b: c.b[:0]}
	c.event(&e)
	if cap(c.b) > maxKept {
		defer func() { c.b = nil }()
	}
	if c.failed {
		return nil
	}
	return bytes.Clone(c.b)
}

// read reads the usual JSON of an event. If it returns false, the event is unchanged.
func (e *Event) read(data []byte) bool {
	c := coders.Get().(*coder)
	defer coders.Put(c)
	kept := c.b
	*c = coder{b: data, reading: true}
	var got Event
	c.event(&got)
	ok := !c.failed && c.at == len(data)
	c.b = kept
	if ok {
		*e = got
	}
	return ok
}

// event is a whole event.
func (c *coder) event(e *Event) {
	start := c.open()
	numberIf(c, `,"seq":`, &e.Seq)
	c.time(`,"time":`, &e.Time)
	textIf(c, `,"path":`, &e.Path)
	kind := e.Type()
	text(c, `,"type":`, &kind)
	if !c.reading {
		c.writeBody(e.Body)
	} else if e.Body = c.readBody(kind); c.member(`,"left":`) {
		c.readFrame()
	}
	c.close(start)
}

// readFrame skips the members that package journal adds to an event in a file: the value
// of "left", "synced" and "sum".
func (c *coder) readFrame() {
	c.readNumber()
	if c.member(`,"synced":`) {
		c.readNumber()
	}
	if c.member(`,"sum":`) {
		c.readSimple()
	}
}

// open begins an object. The brace takes the place of the comma of the first member.
func (c *coder) open() (start int) {
	if !c.reading {
		return len(c.b)
	}
	c.first = c.at
	return c.at
}

// close ends the object that open began.
func (c *coder) close(start int) {
	switch {
	case !c.reading && len(c.b) == start:
		c.b = append(c.b, "{}"...)
	case !c.reading:
		c.b[start] = '{'
		c.b = append(c.b, '}')
	case c.at == start:
		c.expect("{}")
	default:
		c.expect("}")
	}
}

// member begins a member. False means that the text does not have this member next.
func (c *coder) member(name string) bool {
	if !c.reading {
		c.b = append(c.b, name...)
		return true
	}
	rest := c.b[c.at:]
	if c.failed || len(rest) < len(name) || string(rest[1:len(name)]) != name[1:] {
		return false
	}
	brace := c.at == c.first
	if brace && rest[0] != '{' || !brace && rest[0] != ',' {
		return false
	}
	c.at += len(name)
	return true
}

// has skips text, if the text is next.
func (c *coder) has(text string) bool {
	if c.failed || len(c.b)-c.at < len(text) || string(c.b[c.at:c.at+len(text)]) != text {
		return false
	}
	c.at += len(text)
	return true
}

func (c *coder) expect(text string) {
	if !c.has(text) {
		c.failed = true
	}
}

// text is the member of a string.
func text[S ~string](c *coder, name string, v *S) {
	switch {
	case !c.member(name):
	case c.reading:
		*v = S(c.readString())
	default:
		c.b = appendString(c.b, string(*v))
	}
}

// textIf is like text, but does not write an empty string.
func textIf[S ~string](c *coder, name string, v *S) {
	if c.reading || *v != "" {
		text(c, name, v)
	}
}

// number is the member of an integer.
func number[N ~int | ~int64](c *coder, name string, v *N) {
	switch {
	case !c.member(name):
	case c.reading:
		n := c.readNumber()
		if *v = N(n); int64(*v) != n {
			c.failed = true
		}
	default:
		c.b = strconv.AppendInt(c.b, int64(*v), 10)
	}
}

// numberIf is like number, but does not write zero.
func numberIf[N ~int | ~int64](c *coder, name string, v *N) {
	if c.reading || *v != 0 {
		number(c, name, v)
	}
}

// trueIf is the member of a boolean. It does not write false.
func (c *coder) trueIf(name string, v *bool) {
	switch {
	case !c.reading && !*v || !c.member(name):
	case c.reading:
		*v = true
		c.expect("true")
	default:
		c.b = append(c.b, "true"...)
	}
}

func (c *coder) time(name string, v *time.Time) {
	if !c.member(name) {
		return
	}
	var err error
	if c.reading {
		err = v.UnmarshalJSON(c.readSimple())
	} else {
		c.b = append(c.b, '"')
		c.b, err = v.AppendText(c.b)
		c.b = append(c.b, '"')
	}
	c.failed = c.failed || err != nil
}

// rawIf is the member of JSON text that stays as it is. It does not write an empty text.
func (c *coder) rawIf(name string, v *json.RawMessage) {
	switch {
	case !c.reading && len(*v) == 0 || !c.member(name):
	case c.reading:
		*v = bytes.Clone(c.readBrackets())
	default:
		b := bytes.NewBuffer(c.b)
		c.failed = json.Compact(b, *v) != nil || c.failed // as encoding/json does
		c.b = b.Bytes()
	}
}

// bytesIf is the member of bytes in base64. It does not write an empty value.
func (c *coder) bytesIf(name string, v *[]byte) {
	switch {
	case !c.reading && len(*v) == 0 || !c.member(name):
	case c.reading:
		in := c.readSimple()
		if len(in) <= len(`""`) {
			c.failed = true
			return
		}
		in = in[1 : len(in)-1]
		out := make([]byte, base64.StdEncoding.DecodedLen(len(in)))
		n, err := base64.StdEncoding.Decode(out, in)
		*v, c.failed = out[:n], c.failed || err != nil
	default:
		c.b = append(c.b, '"')
		c.b = base64.StdEncoding.AppendEncode(c.b, *v)
		c.b = append(c.b, '"')
	}
}

// list is the member of a list. Nil is null.
func list[L ~[]T, T any](c *coder, name string, v *L, element func(*coder, *T)) {
	if !c.member(name) {
		return
	}
	if c.reading {
		readList(c, v, element)
		return
	}
	if *v == nil {
		c.b = append(c.b, "null"...)
		return
	}
	c.b = append(c.b, '[')
	for i := range *v {
		if i > 0 {
			c.b = append(c.b, ',')
		}
		element(c, &(*v)[i])
	}
	c.b = append(c.b, ']')
}

// listIf is like list, but does not write an empty list.
func listIf[L ~[]T, T any](c *coder, name string, v *L, element func(*coder, *T)) {
	if c.reading || len(*v) > 0 {
		list(c, name, v, element)
	}
}

func readList[L ~[]T, T any](c *coder, v *L, element func(*coder, *T)) {
	if c.has("null") {
		return
	}
	c.expect("[")
	if c.has("]") {
		*v = L{}
		return
	}
	for !c.failed {
		*v = append(*v, *new(T))
		element(c, &(*v)[len(*v)-1])
		if !c.has(",") {
			c.expect("]")
			return
		}
	}
}

// item is an element of a list of strings.
func item[S ~string](c *coder, v *S) {
	if c.reading {
		*v = S(c.readString())
	} else {
		c.b = appendString(c.b, string(*v))
	}
}

func memberItem(c *coder, v *llm.Member) {
	start := c.open()
	text(c, `,"name":`, &v.Name)
	text(c, `,"value":`, &v.Value)
	c.close(start)
}

// readNumber reads an integer.
func (c *coder) readNumber() int64 {
	end := c.at
	for end < len(c.b) && (c.b[end] == '-' || c.b[end] >= '0' && c.b[end] <= '9') {
		end++
	}
	digits := c.b[c.at:end]
	n, err := strconv.ParseInt(string(digits), 10, 64)
	// JSON has no leading zeros. A following letter, as in 1e3, fails as an unknown member.
	if err != nil || len(digits) > 1 && digits[0] == '0' || len(digits) > 1 && digits[0] == '-' && digits[1] == '0' {
		c.failed = true
	}
	c.at = end
	return n
}

// readSimple reads a string without escapes, and returns it with its quotes. The result
// shares the memory of the text.
func (c *coder) readSimple() []byte {
	end, simple := c.stringEnd()
	if !simple {
		c.failed = true
		return nil
	}
	from := c.at
	c.at = end
	return c.b[from:end]
}

func (c *coder) readString() string {
	end, simple := c.stringEnd()
	if c.failed {
		return ""
	}
	inner := c.b[c.at+1 : end-1]
	c.at = end
	if simple {
		if len(inner) <= maxWord {
			if word, ok := words[string(inner)]; ok {
				return word
			}
		}
		return string(inner)
	}
	s, ok := unescape(inner)
	c.failed = !ok
	return s
}

// stringEnd returns the end of the string at the current place. simple means that the
// string has no escapes. A string that encoding/json would refuse or change is a failure.
func (c *coder) stringEnd() (end int, simple bool) {
	if c.failed || c.at >= len(c.b) || c.b[c.at] != '"' {
		c.failed = true
		return 0, false
	}
	simple, ascii := true, true
	for i := c.at + 1; i < len(c.b); i++ {
		switch x := c.b[i]; {
		case x == '"':
			c.failed = !ascii && !utf8.Valid(c.b[c.at:i])
			return i + 1, simple && !c.failed
		case x == '\\':
			simple = false
			i++
		case x < ' ':
			c.failed = true
			return 0, false
		case x >= utf8.RuneSelf:
			ascii = false
		}
	}
	c.failed = true
	return 0, false
}

// readBrackets reads an object or an array, and returns its text. The result shares the
// memory of the text.
func (c *coder) readBrackets() []byte {
	from, depth := c.at, 0
	for !c.failed && c.at < len(c.b) {
		switch c.b[c.at] {
		case '"':
			if c.skipString(); c.failed {
				return nil
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		c.at++
		if depth <= 0 || depth > maxDepth {
			break
		}
	}
	whole := c.b[from:c.at]
	if depth != 0 || len(whole) == 0 || whole[0] != '{' && whole[0] != '[' || !json.Valid(whole) {
		c.failed = true
		return nil
	}
	return whole
}

// skipString skips a string inside of JSON text that stays as it is.
func (c *coder) skipString() {
	for i := c.at + 1; i < len(c.b); i++ {
		switch c.b[i] {
		case '\\':
			i++
		case '"':
			c.at = i + 1
			return
		}
	}
	c.failed = true
}
