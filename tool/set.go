package tool

import (
	"context"
	"errors"
	"fmt"
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
	// List returns the tools. A runner asks before each turn, so a list that is
	// slow to make should be kept. An error ends the run: a set that can do
	// without some of its tools leaves them out.
	List func(ctx context.Context) ([]Tool, error)
}

// Tools lists the tools of the set that are allowed, with the prefix. Two of one
// name, and a name that no tool can have, are an error.
func (s Set) Tools(ctx context.Context) ([]Tool, error) {
	tools, err := s.list(ctx)
	if err != nil {
		return nil, fmt.Errorf("toolset %s: %w", quote(s.Name), err)
	}
	return tools, nil
}

func (s Set) list(ctx context.Context) (_ []Tool, err error) {
	defer func() { // a source of tools is others' code, as a tool's function is
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	if s.List == nil {
		return nil, errors.New("has no List")
	}
	all, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	tools := make([]Tool, 0, len(all))
	seen := make(map[string]bool, len(all))
	for i, t := range all {
		if t.IsZero() {
			return nil, fmt.Errorf("tool %d is the zero Tool", i)
		}
		if s.Allow != nil && !s.Allow(t.Name()) {
			continue
		}
		if seen[t.Name()] {
			return nil, fmt.Errorf("two tools are named %s", quote(t.Name()))
		}
		seen[t.Name()] = true
		named, err := t.renamed(s.Prefix + t.Name())
		if err != nil {
			return nil, err
		}
		tools = append(tools, named)
	}
	return tools, nil
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
