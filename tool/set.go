package tool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// A Set is a group of tools that is listed at run time, such as the tools of an MCP
// server, of a database, or of a user's permissions. A Set is a value. Several runs may
// call its functions at the same time.
type Set struct {
	// Name is the name of the set in errors.
	Name string
	// Prefix is added before the name of each tool, such as "github__".
	Prefix string
	// Allow reports whether the tool with the name (without the prefix) is offered. Nil
	// means that all tools are offered.
	Allow func(name string) bool
	// List returns the tools. A runner calls List before each turn, for all sets of an
	// agent at the same time, so cache a slow list. The slice is only read. List may
	// return tools together with an error; see Optional.
	List func(ctx context.Context) ([]Tool, error)
	// Optional lets a run continue after an error of the set. The run reports the error
	// as a notice and uses the tools that List returned with the error. A tool that
	// cannot be offered, such as a second tool with the same name, is reported and
	// skipped. False means that an error ends the run.
	Optional bool
	// Deferred keeps the tools of the set out of requests until the model has found them:
	// the model gets one tool, search_tools, for all deferred sets of its agent. A search
	// compares words with the names and the descriptions, and finds at most five tools.
	// The tools that were found are offered from the next turn on, also in the later runs
	// of the session, in the order in which they were found. The model reads the Name of
	// the set. False means that each turn offers all tools of the set, which is better
	// below about thirty tools.
	Deferred bool
	// Timeout limits one List under a runner. At the timeout the context of List ends,
	// and some seconds later a List that ignores its context is abandoned. Zero means 30
	// seconds. -1 means no limit besides that of the run.
	Timeout time.Duration
}

// Tools lists the allowed tools of the set, with the prefix. Two tools with the same
// name, and an invalid name, are errors. If the set is Optional, Tools returns the
// remaining tools together with the error. A set that is not Optional returns either
// tools or an error, never both.
func (s Set) Tools(ctx context.Context) ([]Tool, error) {
	tools, err := s.list(ctx)
	if err == nil {
		return tools, nil
	}
	if !s.Optional {
		tools = nil
	}
	return tools, fmt.Errorf("toolset %s: %w", tree.Quote(s.Name), err)
}

func (s Set) list(ctx context.Context) (tools []Tool, err error) {
	defer func() { // List is foreign code, like a tool's function
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	if s.List == nil {
		return nil, errors.New("has no List")
	}
	all, err := s.List(ctx)
	tools, fault := s.choose(all)
	return tools, cmp.Or(err, fault)
}

// choose returns the tools that can be offered, and the first error of the others.
func (s Set) choose(all []Tool) (tools []Tool, err error) {
	tools = make([]Tool, 0, len(all))
	seen := make(map[string]bool, len(all))
	for i, t := range all {
		named, fault := s.offer(i, t, seen)
		if fault == nil && !named.IsZero() {
			tools = append(tools, named)
		}
		err = cmp.Or(err, fault)
	}
	return tools, err
}

// offer returns the tool under its offered name, or the zero Tool if the tool is not
// allowed.
func (s Set) offer(i int, t Tool, seen map[string]bool) (Tool, error) {
	if t.IsZero() {
		return t, fmt.Errorf("tool %d is the zero Tool", i)
	}
	name := t.Name()
	if s.Allow != nil && !s.Allow(name) {
		return Tool{}, nil
	}
	if seen[name] {
		return Tool{}, fmt.Errorf("two tools are named %s", tree.Quote(name))
	}
	seen[name] = true
	return t.renamed(s.Prefix + name)
}

// renamed returns the tool under another name. Both tools share the slots of
// [Concurrency].
func (t Tool) renamed(name string) (Tool, error) {
	if name == t.spec.def.Name {
		return t, nil
	}
	if !namePattern.MatchString(name) {
		return Tool{}, constructError(name, errName)
	}
	s := *t.spec
	s.def.Name = name
	s.setFingerprint()
	return Tool{&s}, nil
}
