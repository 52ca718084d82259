package tree

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
)

const (
	maxRepairs  = 8 // repairs that are listed individually
	MaxUnwraps  = 4 // levels of strings inside of strings
	RepairSteps = 16 * 100_000
)

// Repairs lists the changes to arguments, as sentences for people.
type Repairs struct {
	Done []string
	more int
}

func (r *Repairs) Add(at Path, what string) {
	if len(r.Done) == maxRepairs {
		r.more++
		return
	}
	if len(at) > 0 {
		what = clip.Runes(strings.ToValidUTF8(Pointer(at.Steps()), "\uFFFD"), MaxEcho) + ": " + what
	}
	r.Done = append(r.Done, what)
}

// A Path is the place of a value: names and indexes. Indexes become text only on demand.
type Path []Step

type Step struct {
	Name  string
	Index int // -1 for a member with the name
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
		return append(r.Done, fmt.Sprintf("and %d more", r.more))
	}
	return r.Done
}

// A Contained is the array or object inside of a string. The zero Contained means that
// the string contains neither.
type Contained struct {
	Value *Value
	Loose bool // the text is not strict JSON
}

func (h Contained) Is(f form) bool { return h.Value != nil && h.Value.Form == f }

func (r *Repairs) Unwrapped(at Path, h Contained) {
	r.Add(at, "a string was replaced by the JSON in its text")
	if h.Loose {
		r.Add(at, "line breaks, commas or comments in the text of the string were repaired")
	}
}
