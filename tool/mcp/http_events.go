package mcp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// eventStream rewrites a body of server-sent events for the SDK. A comment passes at
// once, an event when it is complete.
type eventStream struct {
	reply *httpReply
	from  *bufio.Reader
	out   bytes.Buffer
	err   error // reported after out has been read

	line    []byte // the part of the current line that was read
	event   []byte // the lines of the current event except its data
	data    []byte
	hasData bool   // the event has data
	name    string // the type of the event
	size    int

	resumable bool // the stream has event ids, so the rest can be requested
}

func newEventStream(r *httpReply, from io.Reader) *eventStream {
	return &eventStream{reply: r, from: bufio.NewReader(from)}
}

func (e *eventStream) Read(p []byte) (int, error) {
	for e.out.Len() == 0 {
		if e.err != nil {
			return 0, e.err
		}
		e.next()
	}
	return e.out.Read(p)
}

// next reads up to the end of a line.
func (e *eventStream) next() {
	part, err := e.from.ReadSlice('\n')
	e.line = append(e.line, part...)
	e.size += len(part)
	switch {
	case e.size > e.reply.transport.limit:
		e.err = e.reply.transport.tooLarge()
	case errors.Is(err, bufio.ErrBufferFull):
	default:
		e.addLine(bytes.TrimRight(e.line, "\r\n"))
		e.line = e.line[:0]
		if err != nil {
			e.flush()
			e.err = err
			if end := e.reply.missingResponse(); end != nil && !e.resumable && errors.Is(err, io.EOF) {
				e.message(end)
			}
		}
	}
}

// addLine adds a line, without its end, to the current event.
func (e *eventStream) addLine(line []byte) {
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
		if e.hasData {
			e.data = append(e.data, '\n')
		}
		e.data, e.hasData = append(e.data, value...), true
	default:
		if string(name) == "event" {
			e.name = string(value)
		}
		e.resumable = e.resumable || string(name) == "id" && len(value) > 0
		e.event = append(append(e.event, line...), '\n')
	}
}

// flush ends an event.
func (e *eventStream) flush() {
	var all [][]byte
	if e.hasData {
		all = e.reply.rewriteEvent(e.name, e.data)
	}
	if e.name != "error" || !e.reply.id.IsValid() { // such an error was turned into a message
		e.out.Write(e.event)
	}
	if len(e.event) > 0 && len(all) == 0 {
		e.out.WriteByte('\n')
	}
	for _, text := range all {
		e.message(text)
	}
	e.event, e.data, e.name, e.hasData, e.size = e.event[:0], e.data[:0], "", false, 0
}

// message writes the data of an event and ends the event.
func (e *eventStream) message(text []byte) {
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		e.out.WriteString("data: ")
		e.out.Write(line)
		e.out.WriteByte('\n')
	}
	e.out.WriteByte('\n')
}
