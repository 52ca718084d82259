package loop

import (
	"slices"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// An Aside is the whole text of a result. The history has only the beginning.
type Aside struct {
	Call event.CallRef
	Tool string
	Text string
}

// maxAside bounds the bytes of the texts in a state. The journal keeps all of them.
const maxAside = 32 << 20

// keepAside keeps the text of a result. The oldest texts make room. Copies
// of the state keep their list.
func (s *State) keepAside(a Aside) {
	size, first := len(a.Text), len(s.Aside)
	for first > 0 && size+len(s.Aside[first-1].Text) <= maxAside {
		first--
		size += len(s.Aside[first].Text)
	}
	s.Aside = append(slices.Clip(s.Aside[first:]), a)
}

// dropAside forgets the text of a result that the model must not read.
func (s *State) dropAside(ref event.CallRef) {
	s.Aside = slices.DeleteFunc(slices.Clone(s.Aside), func(a Aside) bool { return a.Call == ref })
}
