package openai

import (
	"bytes"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// builtin is the type of a Kimi tool whose calls the caller answers with the
// arguments of the call. The type is kept with the call, because it must go
// back with the call. Source:
// https://platform.moonshot.cn/docs/guide/use-web-search, read 2026-11-22.
const builtin = "builtin_function"

// Limits for hosted calls: each piece is searched for among all calls, and a
// joined member costs the client far more than a server.
const (
	maxHosted        = 1 << 8
	maxHostedMembers = 1 << 14
)

// hostedCalls collects the calls that the provider has run. The calls come in
// tool_calls with types of the provider. The client keeps the calls in the message,
// but never runs the calls, and the conversation has no results for them.
type hostedCalls struct {
	calls []*hostedCall
	built int // members of the calls that came in pieces
}

// A hostedCall is one entry of "tool_calls", unchanged unless the entry came in
// pieces.
type hostedCall struct {
	index, id string
	tree      mergedValue
}

// has reports whether the piece belongs to a call that the provider runs. A
// piece with the name of a declared function, or of type builtin, does not.
func (h *hostedCalls) has(p callPiece, declared declaredTools) bool {
	switch {
	case p.kind == "":
		return p.name == "" && h.find(p) != nil
	case strings.EqualFold(p.kind, "function"), p.kind == builtin:
		return false
	}
	return !declared.has(p.name)
}

// find returns the call that p continues, or nil.
func (h *hostedCalls) find(p callPiece) *hostedCall {
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

// releaseIndex records that a different call uses the index from now on.
func (h *hostedCalls) releaseIndex(index string) {
	for _, c := range h.calls {
		if c.index == index {
			c.index = ""
		}
	}
}

// add reads the next piece, whose JSON is raw, and reports whether there is
// room for the piece. In a whole message every piece is a separate call.
func (h *hostedCalls) add(p callPiece, raw []byte, whole bool) bool {
	c := h.find(p)
	if whole || c == nil {
		h.releaseIndex(p.index)
		h.calls = append(h.calls, &hostedCall{index: p.index, id: p.id, tree: mergedValue{raw: bytes.Clone(raw)}})
		return len(h.calls) <= maxHosted
	}
	j := merger{nodes: h.built, most: maxHostedMembers, pieced: func(name string, _ mergePlace) bool {
		return p.kind == "" && slices.Contains(growing, name)
	}}
	j.merge(&c.tree, "", raw, mergePlace{})
	h.built = j.nodes
	return !j.tooMany()
}

// extra returns the calls as a member of the message, under the original name.
func (h *hostedCalls) extra() []llm.Member {
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
