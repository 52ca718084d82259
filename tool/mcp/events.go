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
	*reply
	from *bufio.Reader
	out  bytes.Buffer
	err  error // after what is in out

	line  []byte // as far as it was read
	event []byte // its lines but the data
	data  []byte
	has   bool   // data
	name  string // its type
	size  int

	resumes bool // the rest of the stream can be asked for
}

func newEvents(r *reply, from io.Reader) *events {
	return &events{reply: r, from: bufio.NewReader(from)}
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
			if end := e.end(); end != nil && !e.resumes && errors.Is(err, io.EOF) {
				e.message(end)
			}
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
		if string(name) == "event" {
			e.name = string(value)
		}
		e.resumes = e.resumes || string(name) == "id" && len(value) > 0
		e.event = append(append(e.event, line...), '\n')
	}
}

// flush ends an event.
func (e *events) flush() {
	var all [][]byte
	if e.has {
		all = e.reply.event(e.name, e.data)
	}
	if e.name != "error" || !e.id.IsValid() { // else it is a message now
		e.out.Write(e.event)
	}
	if len(e.event) > 0 && len(all) == 0 {
		e.out.WriteByte('\n')
	}
	for _, text := range all {
		e.message(text)
	}
	e.event, e.data, e.name, e.has, e.size = e.event[:0], e.data[:0], "", false, 0
}

// message writes the data of an event, and its end.
func (e *events) message(text []byte) {
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		e.out.WriteString("data: ")
		e.out.Write(line)
		e.out.WriteByte('\n')
	}
	e.out.WriteByte('\n')
}
