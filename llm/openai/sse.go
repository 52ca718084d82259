package openai

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// errTooLong is what an event beyond the cap is.
var errTooLong = errors.New("an event of the stream is longer than the limit")

// An event is one server-sent event.
type event struct {
	name string // of the "event:" line
	data []byte // the "data:" lines joined with \n; valid until the next call
	cut  bool   // the stream ended before the event's closing empty line
}

// An eventReader reads server-sent events, more liberally than the standard:
//
//   - a line ends with LF, CRLF or CR, also where reads fall between CR and LF;
//   - a byte order mark, and white space before a field name, are skipped;
//   - what stands at the end without a closing empty line is an event, too;
//   - an event whose data is a whole JSON object, or [DONE], ends there, even if
//     the next "data:" line follows without an empty line.
//
// Comments and unknown fields are skipped, however many there are. Lines may be
// as long as max, which bounds the memory.
type eventReader struct {
	r   io.Reader
	max int

	chunk  []byte // what was read and not yet looked at
	space  []byte // the buffer that chunk is part of
	line   []byte // the line so far
	skipLF bool   // the line before ended with CR
	begun  bool   // the first line was seen
	err    error  // of r; reported when all lines were

	name    string
	data    []byte
	hasData bool
	nested  nesting // of data
	held    []byte  // a line that belongs to the next event
}

func newEventReader(r io.Reader, max int) *eventReader {
	return &eventReader{r: r, max: max, space: make([]byte, 16<<10)}
}

// next returns the next event that has data. At the end it returns io.EOF, and
// where reading failed that error, after the events before it.
func (e *eventReader) next() (event, error) {
	e.name, e.data, e.hasData, e.nested = "", e.data[:0], false, nesting{}
	for {
		line, err := e.nextLine()
		if err != nil {
			if e.hasData && (errors.Is(err, io.EOF) || e.nested.complete()) {
				return event{name: e.name, data: e.data, cut: true}, nil
			}
			return event{}, err
		}
		if len(line) == 0 {
			if e.hasData {
				return event{name: e.name, data: e.data}, nil
			}
			e.name = ""
			continue
		}
		name, value := splitLine(line)
		switch {
		case name == "event":
			e.name = string(value)
		case name == "data" && e.hasData && e.nested.complete():
			e.held = line
			return event{name: e.name, data: e.data}, nil
		case name == "data":
			if err := e.add(value); err != nil {
				return event{}, err
			}
			if isDone(e.data) {
				return event{name: e.name, data: e.data}, nil
			}
		}
	}
}

func (e *eventReader) add(value []byte) error {
	if len(e.data)+len(value) >= e.max {
		return fmt.Errorf("%w of %d bytes", errTooLong, e.max)
	}
	if e.hasData {
		e.data = append(e.data, '\n')
	}
	e.hasData = true
	e.data = append(e.data, value...)
	e.nested.feed(value)
	return nil
}

func isDone(data []byte) bool {
	const longest = 64 // with blanks around it; spares looking at long data line by line
	return len(data) <= longest && string(bytes.Trim(data, " \t\"")) == "[DONE]"
}

// splitLine splits a line into field and value. A comment has no name.
func splitLine(line []byte) (name string, value []byte) {
	line = bytes.TrimLeft(line, " \t")
	before, after, _ := bytes.Cut(line, []byte(":"))
	return string(before), bytes.TrimPrefix(after, []byte(" "))
}

// nextLine returns a line without its end. It is valid until the next call.
func (e *eventReader) nextLine() ([]byte, error) {
	if e.held != nil {
		line := e.held
		e.held = nil
		return line, nil
	}
	e.line = e.line[:0]
	for {
		if len(e.chunk) == 0 {
			if e.err != nil {
				return e.lastLine()
			}
			e.fill()
			continue
		}
		if e.skipLF {
			e.skipLF = false
			if e.chunk[0] == '\n' {
				e.chunk = e.chunk[1:]
				continue
			}
		}
		end := bytes.IndexAny(e.chunk, "\r\n")
		if end < 0 {
			end = len(e.chunk)
		}
		if len(e.line)+end > e.max {
			return nil, fmt.Errorf("%w of %d bytes", errTooLong, e.max)
		}
		e.line = append(e.line, e.chunk[:end]...)
		if end == len(e.chunk) {
			e.chunk = nil
			continue
		}
		e.skipLF = e.chunk[end] == '\r'
		e.chunk = e.chunk[end+1:]
		return e.unmarked(), nil
	}
}

func (e *eventReader) fill() {
	n, err := e.r.Read(e.space)
	e.chunk, e.err = e.space[:n], err
}

// lastLine returns what stands after the last line end, if reading ended well.
func (e *eventReader) lastLine() ([]byte, error) {
	if len(e.line) == 0 || !errors.Is(e.err, io.EOF) {
		return nil, e.err
	}
	line := bytes.Clone(e.unmarked())
	e.line = e.line[:0]
	if len(line) == 0 {
		return nil, e.err
	}
	return line, nil
}

// unmarked returns the line, the very first without its byte order mark.
func (e *eventReader) unmarked() []byte {
	if e.begun {
		return e.line
	}
	e.begun = true
	return bytes.TrimPrefix(e.line, []byte("\xef\xbb\xbf"))
}
