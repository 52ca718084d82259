package tree

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	maxRepairs  = 8 // that are told one by one
	MaxUnwraps  = 4 // of one string that holds a string that holds …
	RepairSteps = 16 * 100_000
)

// Repairs are what was done to arguments so that they say what the model
// plainly meant.
type Repairs struct {
	Told []string
	more int
}

func (r *Repairs) Add(at Path, what string) {
	if len(r.Told) == maxRepairs {
		r.more++
		return
	}
	if len(at) > 0 {
		what = Clip(strings.ToValidUTF8(Pointer(at.Steps()), "\uFFFD"), MaxEcho) + ": " + what
	}
	r.Told = append(r.Told, what)
}

// A Path is where a value stands: names of members, and indexes, which become text
// only when they are told.
type Path []Step

type Step struct {
	Name  string
	Index int // -1: it is the member of that name
}

func (p Path) Steps() []string {
	steps := make([]string, len(p))
	for i, s := range p {
		if steps[i] = s.Name; s.Index >= 0 {
			steps[i] = strconv.Itoa(s.Index)
		}
	}
	return steps
}

func (r *Repairs) List() []string {
	if r.more > 0 {
		return append(r.Told, fmt.Sprintf("and %d more", r.more))
	}
	return r.Told
}

// A Contained is the array or object that a string holds; nil: it holds none.
type Contained struct {
	*Value
	Loose bool // it is not quite JSON
}

func (h Contained) Is(f form) bool { return h.Value != nil && h.Form == f }

func (r *Repairs) Unwrapped(at Path, h Contained) {
	r.Add(at, "a string that held the JSON was unwrapped")
	if h.Loose {
		r.Add(at, "line breaks, commas or comments in what the string held were mended")
	}
}
