package runner

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/internal/find"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
)

const (
	searchName      = "search_tools" // the name is part of journals: see found
	maxFound        = 5              // tools in the result of a search
	maxFoundSummary = 200            // bytes of a description there; the whole description follows in the offer
)

// A catalog is what the deferred sets of an agent listed for a turn, and the tool that
// searches it. A catalog does not change. A nil catalog is that of an agent without
// deferred sets.
type catalog struct {
	tools  []tool.Tool
	places map[string]int // of the tools, by name
	search tool.Tool
}

// hasDeferred reports whether a set of the agent is deferred.
func hasDeferred(a *agent.Agent) bool {
	return slices.ContainsFunc(a.Toolsets, func(s tool.Set) bool { return s.Deferred })
}

// newCatalog returns the catalog of the tools, or nil if the agent has no deferred set. The
// search of the turn before, which has an index, stays in use for the same definitions.
func newCatalog(a *agent.Agent, tools []tool.Tool, before *catalog) (*catalog, error) {
	if !hasDeferred(a) {
		return nil, nil
	}
	c := &catalog{tools: tools, places: make(map[string]int, len(tools))}
	for i, t := range tools {
		c.places[t.Name()] = i
	}
	if before != nil && slices.EqualFunc(tools, before.tools, func(a, b tool.Tool) bool { return a.Fingerprint() == b.Fingerprint() }) {
		c.search = before.search
		return c, nil
	}
	var err error
	c.search, err = newSearch(a, tools)
	return c, err
}

type searchArgs struct {
	Query string `json:"query" jsonschema:"minLength=1,maxLength=400" jsonschema_description:"What the tool should do, in a few words: a verb and a thing, e.g. create invoice"`
}

// A finding is the result of a search.
type finding struct {
	Tools []foundTool `json:"tools"`
	Note  string      `json:"note"`
}

type foundTool struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// newSearch returns the tool that searches the tools. The definition has the names of the
// sets and not the number of tools, so it stays the same when tools come and go.
func newSearch(a *agent.Agent, tools []tool.Tool) (tool.Tool, error) {
	var sets []string
	for _, s := range a.Toolsets {
		if s.Deferred && s.Name != "" {
			sets = append(sets, s.Name)
		}
	}
	description := "Finds further tools by what they do. You can call the tools that it finds from your next message on. Search before you say that you cannot do something."
	if len(sets) > 0 {
		description += " The further tools belong to: " + clip.Cut(strings.Join(sets, ", "), 1000) + "."
	}
	index := sync.OnceValue(func() *find.Index { // most turns search nothing
		documents := make([]find.Document, len(tools))
		for i, t := range tools {
			documents[i] = find.Document{Name: t.Name(), Description: t.Def().Description}
		}
		return find.New(documents)
	})
	return tool.New(searchName, description, func(_ context.Context, in searchArgs) (finding, error) {
		f := finding{Tools: []foundTool{}, Note: "You can call these tools now."}
		for _, i := range index().Search(in.Query, maxFound) {
			f.Tools = append(f.Tools, foundTool{tools[i].Name(), clip.Cut(tools[i].Def().Description, maxFoundSummary)})
		}
		if len(f.Tools) == 0 {
			f.Note = "No tool has these words. Search with other words."
		}
		return f, nil
	}, tool.Idempotent())
}

// found returns the tools of the catalog that the model has found, in the order of
// finding: the tools of the last turn, of earlier turns, and in the results of searches. So
// what was found survives a crash, an outage of a set, and a history that lost old results.
func (c *catalog) found(s *loop.State) (tools []tool.Tool) {
	if c == nil {
		return nil
	}
	seen := map[string]bool{}
	take := func(name string) {
		if i, ok := c.places[name]; ok && !seen[name] {
			seen[name] = true
			tools = append(tools, c.tools[i])
		}
	}
	for _, t := range s.Tools {
		take(t.Name)
	}
	for _, name := range s.Gone {
		take(name)
	}
	for _, m := range s.Messages {
		if m.Role != llm.RoleTool {
			continue
		}
		for _, p := range m.Parts {
			if r, ok := p.(llm.ToolResult); ok && r.Name == searchName && !r.IsError {
				var f finding
				_ = json.Unmarshal([]byte(r.Text()), &f) // a result in another form found nothing
				for _, t := range f.Tools {
					take(t.Name)
				}
			}
		}
	}
	return tools
}

// has reports whether the catalog has a tool with the name.
func (c *catalog) has(name string) bool {
	if c == nil {
		return false
	}
	_, ok := c.places[name]
	return ok
}

// errNotFound is for a call of a tool of the catalog that the model has not found.
func errNotFound(name string) error {
	return &tool.Error{Failure: tool.UnknownTool, Message: "The tool " + name + " is not offered yet. Find it with " + searchName + ", then call it."}
}
