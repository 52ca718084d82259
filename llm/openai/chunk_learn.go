package openai

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
)

// This file learns the shape of a chunk: see chunkShape. Each function reports whether
// its value can stand in a shape. Such a value changes nothing in the answer when it
// comes again, or it is a hole.

// Limits on learning. A stream whose chunks all differ must not pay for shapes that no
// chunk fits. After maxUnused of such shapes only every tryAgain-th chunk is tried.
const (
	maxUnused = 8
	tryAgain  = 16
	maxShape  = 4 << 10 // bytes of a chunk
)

// learn keeps the shape of a chunk that a has just read in the general way, or no shape
// if the chunk has none.
func (s *chunkShape) learn(a *completion, chunk []byte) {
	if !s.worthLearning(chunk) {
		return
	}
	if l := (shapeLearner{index: a.index, chunk: chunk}); l.document() && l.plain() {
		s.keep(&l)
	}
}

// worthLearning forgets the shape, and reports whether to learn the shape of chunk.
func (s *chunkShape) worthLearning(chunk []byte) bool {
	s.target, s.n, s.seen = noTarget, 0, s.seen+1
	return len(chunk) <= maxShape && (s.unused < maxUnused || s.seen%tryAgain == 0)
}

func (s *chunkShape) keep(l *shapeLearner) {
	s.holes, s.n, s.target, s.name = l.holes, l.n, l.target, l.name
	s.chunk = append(s.chunk[:0], l.chunk...)
	s.unused++
}

// A shapeLearner finds the target and the holes of a chunk.
type shapeLearner struct {
	index   string // of the choice that counts
	chunk   []byte
	choices int
	deltas  int

	holes  [maxHoles]chunkHole
	n      int
	target chunkTarget
	name   string
}

// hole adds a hole for value, and reports whether there is room and the value fits.
func (l *shapeLearner) hole(kind holeKind, value []byte) bool {
	if l.n == maxHoles {
		return false
	}
	from := cap(l.chunk) - cap(value) // both share one array up to its end
	to := from + len(value)
	if value[0] == '"' {
		from, to = from+1, to-1
	}
	if kind.end(l.chunk[from:]) != to-from { // in particular a text with the escape of a surrogate
		return false
	}
	l.holes[l.n] = chunkHole{kind, from, to}
	l.n++
	return true
}

// text sets the one text of the chunk. An empty text says nothing.
func (l *shapeLearner) text(target chunkTarget, name string, value []byte) bool {
	if rawjson.IsEmpty(value) {
		return true
	}
	if l.target != noTarget {
		return false
	}
	l.target, l.name = target, name
	return l.hole(textHole, value)
}

// plain sorts the holes, and reports whether there is a text and no escape outside of
// the text: the name of a member with escapes may be any name.
func (l *shapeLearner) plain() bool {
	slices.SortFunc(l.holes[:l.n], func(a, b chunkHole) int { return cmp.Compare(a.from, b.from) })
	at := 0
	for _, h := range l.holes[:l.n] {
		if bytes.IndexByte(l.chunk[at:h.from], '\\') >= 0 {
			return false
		}
		at = h.to
	}
	return l.target != noTarget && bytes.IndexByte(l.chunk[at:], '\\') < 0
}

func (l *shapeLearner) document() bool {
	for name, v := range rawjson.RawMembers(l.chunk) {
		var ok bool
		switch string(name) {
		case "choices":
			l.choices++
			ok = l.choices == 1 && l.list(v)
		case "created":
			ok = true // the member does not count; without a hole the shape fits fewer chunks
			if rawjson.Kind(v) != '"' {
				l.hole(timeHole, v)
			}
		case "obfuscation":
			ok = true
			if rawjson.Kind(v) == '"' {
				l.hole(paddingHole, v)
			}
		case "usage":
			ok = rawjson.IsEmpty(v)
		case "error":
			ok = !isSet(v)
		case "x_groq":
		default:
			ok = isSmall(v)
		}
		if !ok {
			return false
		}
	}
	return true
}

// isSmall reports a value that is kept, and that changes nothing when it comes again.
func isSmall(v []byte) bool {
	return rawjson.IsEmpty(v) || rawjson.Kind(v) != '{' && rawjson.Kind(v) != '['
}

func (l *shapeLearner) list(choices []byte) bool {
	n, ok := 0, false
	for c := range rawjson.Elements(choices) {
		n++
		ok = n == 1 && l.choice(c)
	}
	return ok && l.deltas == 1
}

func (l *shapeLearner) choice(c []byte) bool {
	index := "0"
	for name, v := range rawjson.RawMembers(c) {
		var ok bool
		switch string(name) {
		case "index":
			index, ok = cmp.Or(rawjson.Scalar(v), "0"), true
		case "delta":
			l.deltas++
			ok = l.deltas == 1 && rawjson.Kind(v) == '{' && l.delta(v)
		case "message":
			ok = rawjson.IsNull(v)
		case "error":
			ok = !isSet(v)
		case "finish_reason", "native_finish_reason":
			ok = rawjson.Text(v) == ""
		case "usage", "logprobs":
			ok = rawjson.IsEmpty(v)
		default:
			ok = isSmall(v)
		}
		if !ok {
			return false
		}
	}
	return index == l.index
}

func (l *shapeLearner) delta(delta []byte) bool {
	seen := [len(thinkingFields) + 2]bool{}
	once := func(i int) bool { // of two members with one name, the later counts
		first := !seen[i]
		seen[i] = true
		return first
	}
	for name, v := range rawjson.RawMembers(delta) {
		var ok bool
		i := slices.Index(thinkingFields[:], string(name))
		switch {
		case string(name) == "role":
			ok = true
		case string(name) == "content":
			ok = once(len(thinkingFields)) && (rawjson.IsNull(v) || rawjson.Kind(v) == '"' && l.text(contentTarget, "", v))
		case string(name) == "tool_calls":
			ok = once(len(thinkingFields)+1) && (rawjson.IsEmpty(v) || rawjson.Kind(v) == '[' && l.calls(v))
		case string(name) == "function_call", string(name) == "audio":
			ok = rawjson.IsNull(v)
		case i >= 0:
			ok = once(i) && (rawjson.IsEmpty(v) || rawjson.Kind(v) == '"' && l.text(thinkingTarget, thinkingFields[i], v))
		default:
			ok = rawjson.IsEmpty(v)
		}
		if !ok {
			return false
		}
	}
	return true
}

func (l *shapeLearner) calls(list []byte) bool {
	n, ok := 0, false
	for c := range rawjson.Elements(list) {
		n++
		ok = n == 1 && l.call(c)
	}
	return ok
}

func (l *shapeLearner) call(c []byte) bool {
	var index, arguments []byte
	for name, v := range rawjson.RawMembers(c) {
		ok := false
		switch string(name) {
		case "index":
			ok, index = index == nil, v
		case "id":
			ok = rawjson.Scalar(v) == ""
		case "type":
			ok = rawjson.IsEmpty(v) || strings.EqualFold(rawjson.Text(v), "function")
		case "function":
			ok, arguments = arguments == nil, l.arguments(v)
		default:
			ok = rawjson.IsEmpty(v)
		}
		if !ok {
			return false
		}
	}
	key := rawjson.Scalar(index)
	return key != "" && arguments != nil && l.text(callTarget, key, arguments)
}

// arguments returns the arguments of a function that has no more to say, or nil.
func (l *shapeLearner) arguments(function []byte) (arguments []byte) {
	for name, v := range rawjson.RawMembers(function) {
		switch {
		case string(name) == "name" && rawjson.Text(v) == "":
		case string(name) == "arguments" && arguments == nil && rawjson.Kind(v) == '"':
			arguments = v
		case string(name) != "name" && string(name) != "arguments":
		default:
			return nil
		}
	}
	return arguments
}
