package openai

import (
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// A partialCall is a tool call during assembly. The fragments of the arguments stay
// separate until the end of the answer. Only then can [partialCall.arguments] tell
// honest pieces from repetitions: both look alike while they arrive.
type partialCall struct {
	position     int
	id, name     string
	fragments    []string
	few          [1]string // memory for fragments: whole arguments are one fragment
	half         surrogate // of the fragments
	nesting      nesting   // of the fragments
	object       string    // arguments that came as a JSON value, which is whole, in place of a string
	extra        memberSet
	round        int          // round of calls at the last piece
	repeatsName  bool         // perhaps only a repeated name: see calls.repeatsName
	original     *partialCall // the call that this call may repeat: see isFollowedBy
	functionCall bool         // came as function_call, perhaps beside the same call in tool_calls
	repeated     bool         // repeats another call
}

// calls assembles tool calls. A piece finds its call by the provider's index or id as
// a key of a map. A provider's index is never a position in a slice, because providers
// omit and repeat indices, begin with 1, or send a hostile number.
type calls struct {
	declared declaredTools // the tools of the request
	list     []*partialCall
	byIndex  map[string]*partialCall // the latest call with the index
	byID     map[string]*partialCall
	round    int  // counts the lists of pieces
	nodes    int  // JSON nodes of unmodelled members: see mergedValue
	over     bool // the extra of a call has more than maxPartMembers, or all calls have more than maxParts nodes

	first     partialCall // memory for the first call
	firstUsed bool
}

// declaredTools are the tools of a request. A search is cheaper than a map for each
// answer, because an answer has few calls.
type declaredTools []llm.ToolDef

func (d declaredTools) has(name string) bool {
	return slices.ContainsFunc(d, func(t llm.ToolDef) bool { return t.Name == name })
}

// name returns the text of a JSON string. The name of a declared tool is not copied.
func (d declaredTools) name(raw []byte) string {
	text := rawjson.RawText(raw)
	for i := range d {
		if d[i].Name == string(text) {
			return d[i].Name
		}
	}
	return string(text)
}

// A callPiece is one element of "tool_calls" in a message or a delta.
type callPiece struct {
	index, id, name string
	kind            string // "type"
	arguments       string
	raw             []byte // arguments as a JSON string
	object          bool   // arguments is the text of a JSON value that is not a string
	extra           []llm.Member
	over            bool // there were more than maxPartMembers
}

// readCallPiece reads a piece of a call, of a declared tool nearly always.
func readCallPiece(raw []byte, declared declaredTools) callPiece {
	var p callPiece
	for name, v := range rawjson.RawMembers(raw) {
		switch string(name) {
		case "index":
			p.index = rawjson.Scalar(v)
		case "id":
			p.id = rawjson.Scalar(v)
		case "type":
			if p.kind = usualText(v); p.kind == builtin {
				p.extra = append(p.extra, llm.Member{Name: string(name), Value: string(v)})
			}
		case "function":
			p.function(v, declared)
		default:
			if len(p.extra) == maxPartMembers {
				p.over = true
				return p
			}
			if !rawjson.IsEmpty(v) {
				p.extra = append(p.extra, llm.Member{Name: string(name), Value: string(v)})
			}
		}
	}
	return p
}

func (p *callPiece) function(raw []byte, declared declaredTools) {
	for name, v := range rawjson.RawMembers(raw) {
		switch {
		case string(name) == "name":
			p.name = declared.name(v)
		case string(name) != "arguments" || rawjson.IsNull(v):
		case rawjson.Kind(v) == '"':
			p.arguments, p.raw = rawjson.Text(v), v
		default:
			p.arguments, p.object = string(v), true
		}
	}
}

// hasContent reports whether the piece has content.
func (p callPiece) hasContent() bool {
	return p.id != "" || p.name != "" || len(p.extra) > 0 || p.object || !blank(p.arguments)
}

// blank reports whether arguments are empty: no text, white space, or null.
func blank(arguments string) bool {
	text := strings.TrimSpace(arguments)
	return text == "" || text == "null"
}

// add enters the next piece and returns the new content as a delta. In a whole message
// every piece is a separate call. An empty piece does not begin a call.
func (c *calls) add(p callPiece, whole bool) llm.CallDelta {
	s, after := c.find(p)
	if s == nil || whole {
		if !p.hasContent() {
			return llm.CallDelta{}
		}
		echo := !whole && c.repeatsName(p)
		s = c.open()
		s.repeatsName, s.functionCall = echo, p.index == functionCallIndex
		if !whole {
			s.original = after
		}
	}
	return c.grow(s, p)
}

func (c *calls) grow(s *partialCall, p callPiece) llm.CallDelta {
	s.round = c.round
	if p.index != "" {
		enter(&c.byIndex, p.index, s)
	}
	d := llm.CallDelta{Index: s.position}
	if s.id == "" && p.id != "" {
		s.id, d.ID = p.id, p.id
		enter(&c.byID, p.id, s)
	}
	if name := c.join(s.name, p.name); name != s.name {
		s.name, d.Name = name, name
	}
	if p.raw != nil && s.half.joins(p.raw) {
		p.arguments = s.half.text(p.raw)
	}
	if p.object { // an object is whole: the object replaces earlier fragments, and later fragments are an addition
		s.object, s.fragments = p.arguments, nil
	} else if p.arguments != "" && !(s.empty() && strings.TrimSpace(p.arguments) == "null") { // null before the first fragment is an absent value, not the beginning of JSON
		s.fragments = append(s.fragments, p.arguments)
		s.nesting.addString(p.arguments)
	}
	d.Arguments = p.arguments
	c.extend(s, p.extra)
	return d
}

// enter enters a call into a map, which a whole answer often does not need.
func enter(m *map[string]*partialCall, key string, s *partialCall) {
	if *m == nil {
		*m = map[string]*partialCall{}
	}
	(*m)[key] = s
}

func (c *calls) extend(s *partialCall, extra []llm.Member) {
	before := s.extra.nodes
	for _, m := range extra {
		s.extra.merge(m.Name, []byte(m.Value))
	}
	c.nodes += s.extra.nodes - before
	c.over = c.over || len(s.extra.list) > maxPartMembers || c.nodes > maxParts
}

func (c *calls) open() *partialCall {
	s := &c.first
	if c.firstUsed {
		s = &partialCall{position: len(c.list)}
	}
	c.firstUsed = true
	s.fragments = s.few[:0]
	c.list = append(c.list, s)
	return s
}

// find returns the call that p continues. If p begins a call, find returns nil and the
// call that p may repeat.
func (c *calls) find(p callPiece) (s, after *partialCall) {
	if len(c.list) == 0 {
		return nil, nil
	}
	if p.index != "" {
		s = c.findIndexed(p)
		if s != nil && s.isFollowedBy(p) {
			return nil, s
		}
		return s, nil
	}
	if p.id != "" {
		if s = c.byID[p.id]; s != nil && s.isFollowedBy(p) {
			return nil, s
		}
		return s, nil
	}
	last := c.list[len(c.list)-1]
	if p.name != "" && (last.round == c.round || last.whole()) {
		return nil, nil
	}
	return last, nil
}

// isFollowedBy reports whether p begins a new call although p has the index or id of s:
// p has a name and begins an object, and s is whole. Only the end of the answer shows
// whether p repeats s. If s is the placeholder {}, p continues s, because some servers
// send {} before the real arguments.
func (s *partialCall) isFollowedBy(p callPiece) bool {
	if p.name == "" || !s.whole() || !p.object && !strings.HasPrefix(strings.TrimSpace(p.arguments), "{") {
		return false
	}
	return !s.isPlaceholder()
}

// isPlaceholder reports whether the arguments are an object without members.
func (s *partialCall) isPlaceholder() bool {
	text := strings.TrimSpace(s.text())
	return len(text) >= 2 && text[0] == '{' && strings.TrimSpace(text[1:len(text)-1]) == ""
}

// repeatsName reports whether p, the beginning of a call, may only repeat the name of
// the last call, because some servers send the name in every chunk. Without arguments
// such a call is dropped at the end: a call that the model did not make must not run.
func (c *calls) repeatsName(p callPiece) bool {
	if len(c.list) == 0 || p.index != "" || p.id != "" || p.arguments != "" {
		return false
	}
	last := c.list[len(c.list)-1]
	return last.round != c.round && p.name == last.name
}

// findIndexed returns the call with the index of p that p continues, or nil. Some
// providers give all calls the same index: a new id begins a new call if p has a name
// or the old call is whole. Some providers give every chunk of one call a new id: a
// piece without a name continues a call that is not whole.
func (c *calls) findIndexed(p callPiece) *partialCall {
	s := c.byIndex[p.index]
	switch {
	case s == nil:
		return nil
	case p.id == "":
		if p.name != "" && p.name != s.name && p.arguments != "" && s.whole() {
			return nil
		}
		return s
	case s.id == "" || s.id == p.id:
		return s
	}
	if other := c.byID[p.id]; other != nil && !other.whole() {
		return other
	}
	if p.name != "" || s.whole() {
		return nil
	}
	return s
}

// whole reports whether the arguments are complete so far. The nesting is tracked
// piece by piece: a new parse of all arguments for every piece would cost the square of
// the length.
func (s *partialCall) whole() bool { return s.object != "" || s.nesting.complete() }

// longestName limits the length of a name. The names of tools are far shorter.
const longestName = 1 << 10

// join adds a piece to a name. A name comes whole, whole in every chunk, or in pieces.
// The names of the declared tools show which, where possible.
func (c *calls) join(name, piece string) string {
	switch {
	case len(name) > longestName:
		return name
	case piece == "" || name == piece && !c.declared.has(name+piece):
		return name
	case c.declared.has(name) && name == piece:
		return name
	case c.declared.has(piece) && !c.declared.has(name+piece) && strings.HasPrefix(piece, name):
		return piece
	}
	return name + piece
}

// text returns the arguments as they came.
func (s *partialCall) text() string { return s.object + strings.Join(s.fragments, "") }

// empty reports whether no arguments came.
func (s *partialCall) empty() bool { return s.object == "" && len(s.fragments) == 0 }

// isNoCall reports whether no call came: no name and no arguments, or only {} without
// an id.
func (s *partialCall) isNoCall() bool {
	switch {
	case s.name != "":
		return false
	case blank(s.text()):
		return true
	}
	text, _ := s.arguments()
	return s.id == "" && text == "{}"
}

// anyIncomplete reports whether the arguments of any call are incomplete JSON.
func (c *calls) anyIncomplete() bool {
	return slices.ContainsFunc(c.list, func(s *partialCall) bool {
		text, _ := s.arguments()
		return !rawjson.Valid(text)
	})
}

// allComplete reports whether each call has complete JSON arguments. Missing
// arguments do not count as complete.
func (c *calls) allComplete() bool {
	return !c.anyIncomplete() && !slices.ContainsFunc(c.list, func(s *partialCall) bool {
		return !s.repeatsName && blank(s.text())
	})
}

// endTexts ends all texts that wait for the second half of a surrogate pair.
func (g *calls) endTexts(emit func(llm.Delta) error) error {
	for _, s := range g.list {
		rest := s.half.end()
		if rest == "" {
			continue
		}
		s.fragments = append(s.fragments, rest)
		if err := emit(llm.CallDelta{Index: s.position, Arguments: rest}); err != nil {
			return err
		}
	}
	return nil
}
