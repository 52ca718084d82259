package mcp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// events is a body of server-sent events. Comments pass at once, an event when it is
// whole.
type events struct {
	web  *web
	from *bufio.Reader
	out  bytes.Buffer
	err  error // after what is in out

	line  []byte // as far as it was read
	event []byte // its lines but the data
	data  []byte
	has   bool // data
	size  int
}

func newEvents(w *web, from io.Reader) *events {
	return &events{web: w, from: bufio.NewReader(from)}
}

func (e *events) Read(p []byte) (int, error) {
	for e.out.Len() == 0 {
		if e.err != nil {
			return 0, e.err
		}
		e.next()
	}
	return e.out.Read(p)
}

// next reads up to the end of a line.
func (e *events) next() {
	part, err := e.from.ReadSlice('\n')
	e.line = append(e.line, part...)
	e.size += len(part)
	switch {
	case e.size > e.web.limit:
		e.err = e.web.tooLarge()
	case errors.Is(err, bufio.ErrBufferFull):
	default:
		e.whole(bytes.TrimRight(e.line, "\r\n"))
		e.line = e.line[:0]
		if err != nil {
			e.flush()
			e.err = err
		}
	}
}

// whole takes a line without its end.
func (e *events) whole(line []byte) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch {
	case len(line) == 0:
		e.flush()
	case len(name) == 0:
		e.size -= len(line)
		e.out.Write(line)
		e.out.WriteByte('\n')
	case string(name) == "data":
		if e.has {
			e.data = append(e.data, '\n')
		}
		e.data, e.has = append(e.data, value...), true
	default:
		e.event = append(append(e.event, line...), '\n')
	}
}

// flush ends an event.
func (e *events) flush() {
	e.out.Write(e.event)
	if e.has {
		for line := range bytes.SplitSeq(e.web.seen(e.data), []byte("\n")) {
			e.out.WriteString("data: ")
			e.out.Write(line)
			e.out.WriteByte('\n')
		}
	}
	if len(e.event) > 0 || e.has {
		e.out.WriteByte('\n')
	}
	e.event, e.data, e.has, e.size = e.event[:0], e.data[:0], false, 0
}
