package openai

import (
	"bytes"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// builtin is the type of a tool of Kimi's whose calls the caller answers, with
// their own arguments. It is kept with the call, as it has to go back with it.
// Source: https://platform.moonshot.cn/docs/guide/use-web-search, read 2026-11-22.
const builtin = "builtin_function"

// What an answer can hold of them: a piece is looked for among all, and a member
// of what came in pieces costs us far more than a server.
const (
	mostHosted        = 1 << 8
	mostHostedMembers = 1 << 14
)

// hosted collects the calls that the provider has run itself: it tells of them
// among the tool calls, under a type of its own. They are kept and never run, and
// they have no result of ours.
type hosted struct {
	calls []*hostedCall
	built int // members of the calls that came in pieces
}

// A hostedCall is one entry of "tool_calls". It stands as it came unless it came
// in pieces.
type hostedCall struct {
	index, id string
	tree      tree
}

// owns reports whether the piece is one of a call that the provider runs. A type
// that stands beside the name of a declared function makes no such call; neither
// does the type builtin.
func (h *hosted) owns(p piece, declared map[string]bool) bool {
	switch {
	case p.kind == "":
		return p.name == "" && h.find(p) != nil
	case strings.EqualFold(p.kind, "function"), p.kind == builtin:
		return false
	}
	return !declared[p.name]
}

// find returns the call that p goes on with, or nil.
func (h *hosted) find(p piece) *hostedCall {
	for _, c := range slices.Backward(h.calls) {
		switch {
		case p.id != "" && c.id != "":
			if p.id == c.id {
				return c
			}
		case p.index != "" && p.index == c.index:
			return c
		}
	}
	return nil
}

// leave says that another call goes by that index from now on.
func (h *hosted) leave(index string) {
	for _, c := range h.calls {
		if c.index == index {
			c.index = ""
		}
	}
}

// add takes the next piece, whose JSON is raw, and reports whether there is room
// for it. In a whole message every piece is a call of its own.
func (h *hosted) add(p piece, raw []byte, whole bool) bool {
	c := h.find(p)
	if whole || c == nil {
		h.leave(p.index)
		h.calls = append(h.calls, &hostedCall{index: p.index, id: p.id, tree: tree{raw: bytes.Clone(raw)}})
		return len(h.calls) <= mostHosted
	}
	j := joint{nodes: h.built, most: mostHostedMembers, grows: func(name string, _ place) bool {
		return p.kind == "" && slices.Contains(growing, name)
	}}
	j.join(&c.tree, "", raw, place{})
	h.built = j.nodes
	return !j.over()
}

// extra are the calls as a member of the message, under the name that they came in.
func (h *hosted) extra() []llm.Member {
	if len(h.calls) == 0 {
		return nil
	}
	list := make([][]byte, len(h.calls))
	for i, c := range h.calls {
		list[i] = c.tree.append(nil)
	}
	return []llm.Member{{Name: "tool_calls", Value: string(array(list))}}
}

// growing are the members of calls whose strings come in pieces.
var growing = []string{"arguments", "input", "output"}
