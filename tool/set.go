package tool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// A Set is a group of tools that is listed when it is needed: those of a server,
// of a database, of a user's rights. It is a value; its functions may be called
// by several runs at once.
type Set struct {
	// Name tells sets apart in errors.
	Name string
	// Prefix is put before the name of each tool, such as "github__".
	Prefix string
	// Allow says which tools are offered, by their names without the prefix. Nil:
	// all.
	Allow func(name string) bool
	// List returns the tools. A runner asks before each turn, and all sets of an
	// agent at the same time, so a list that is slow to make should be kept. The
	// slice is only read. It may return tools beside an error; see Optional.
	List func(ctx context.Context) ([]Tool, error)
	// Optional makes a run do without what the set cannot list: an error of List is
	// told as a notice, and the run goes on with the tools that List returned
	// beside it. So does a tool that cannot be offered, which is left out, as one
	// with the name of another tool. False: an error ends the run.
	Optional bool
	// Timeout is the time of one List under a runner: then its context ends, and some
	// seconds later a List that ignores that is left behind. Zero: 30 seconds. -1: no
	// limit but that of the run.
	Timeout time.Duration
}

// Tools lists the tools of the set that are allowed, with the prefix. Two of one
// name, and a name that no tool can have, are an error. Beside an error an
// Optional set returns the tools that can be offered nevertheless, another none.
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
	defer func() { // a source of tools is others' code, as a tool's function is
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

// choose returns those of the tools that can be offered, and the first reason why
// another cannot.
func (s Set) choose(all []Tool) (tools []Tool, err error) {
	tools = make([]Tool, 0, len(all))
	seen := make(map[string]bool, len(all))
	for i, t := range all {
		named, fault := s.take(i, t, seen)
		if fault == nil && !named.IsZero() {
			tools = append(tools, named)
		}
		err = cmp.Or(err, fault)
	}
	return tools, err
}

// take returns the tool as it is offered; the zero Tool if it is not allowed.
func (s Set) take(i int, t Tool, seen map[string]bool) (Tool, error) {
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

// renamed returns the tool under another name. It shares the slots of
// [Concurrency] with the first.
func (t Tool) renamed(name string) (Tool, error) {
	if name == t.spec.def.Name {
		return t, nil
	}
	if !namePattern.MatchString(name) {
		return Tool{}, constructError(name, errName)
	}
	s := *t.spec
	s.def.Name = name
	s.mark()
	return Tool{&s}, nil
}
