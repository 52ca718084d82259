package openai

import (
	"bytes"
	"io"
	"sync"
)

// This file sends short bodies in the same write as the header. net/http writes the header
// alone, unless it knows that the body is in memory, and it knows this of a bytes.Reader
// only. The second write was a fifth of the time of a short run, and costs a packet on every
// network. A body of segments is therefore copied into a pooled buffer. Longer bodies, and
// requests that are sent again, are read segment by segment; TestSmallBodies compares both.

// maxSmall is the size of the transport's own buffer, so that a larger body needs a second
// write in any case.
const maxSmall = 4 << 10

// A smallBody is a body in a pooled buffer. The zero value is none.
type smallBody struct {
	reader bytes.Reader
	short  *[maxSmall / 4]byte // nil: none, like long. First requests fit into it, and many runs may begin at once
	long   *[maxSmall]byte
}

var (
	shortBodies = sync.Pool{New: func() any { return new([maxSmall / 4]byte) }}
	longBodies  = sync.Pool{New: func() any { return new([maxSmall]byte) }}
)

// of returns a reader of b, if b is short.
func (s *smallBody) of(b body) (r io.ReadCloser, ok bool) {
	size := b.size()
	if size > maxSmall {
		return nil, false
	}
	var space []byte
	if size <= int64(len(s.short)) {
		s.short = shortBodies.Get().(*[maxSmall / 4]byte)
		space = s.short[:0]
	} else {
		s.long = longBodies.Get().(*[maxSmall]byte)
		space = s.long[:0]
	}
	for _, segment := range b {
		space = append(space, segment...)
	}
	s.reader.Reset(space)
	return io.NopCloser(&s.reader), true
}

// release gives the buffer to another body. Nobody reads the body at the same time.
func (s *smallBody) release() {
	s.reader.Reset(nil)
	if s.short != nil {
		shortBodies.Put(s.short)
	}
	if s.long != nil {
		longBodies.Put(s.long)
	}
	s.short, s.long = nil, nil
}
