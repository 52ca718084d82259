package openai

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
)

// errTooLong is what an event beyond the cap is.
var errTooLong = errors.New("an event of the stream is longer than the limit")

// An event is a server-sent event.
type event struct {
	name string // of the "event:" line
	data []byte // the "data:" lines joined with \n; valid until the next call
	cut  bool   // the stream ended before the event's closing empty line
	bare bool   // data are lines that are no fields
}

// An eventReader reads server-sent events, more liberally than the standard:
//
//   - a line ends with LF, CRLF or CR, also where reads fall between CR and LF;
//   - a byte order mark, and white space before a field name, are skipped;
//   - what stands at the end without a closing empty line is an event, too;
//   - an event whose data is a whole JSON object, or [DONE], ends there, even if
//     the next "data:" line follows without an empty line;
//   - "error: …" is an event of that name, as llama.cpp writes it;
//   - a line that is no field goes on with the JSON of the event that it follows, or
//     is an event of its own, with the lines up to the end of its JSON.
//
// Comments and unknown fields are skipped, however many there are. Lines may be
// as long as max, which bounds the memory.
type eventReader struct {
	r   io.Reader
	max int

	chunk  []byte // what was read and not yet looked at
	lf     int    // distance of the next LF from the end of chunk; 0 means no LF, and more than len(chunk) unknown
	space  []byte // the buffer that chunk is part of
	line   []byte // a line that began in an earlier chunk
	skipLF bool   // the line before ended with CR
	begun  bool   // the first line was seen
	err    error  // of r; reported when all lines were
	ended  bool   // the last line has no end

	name     string
	lastName string // of an earlier event
	data     []byte
	hasData  bool
	bare     bool    // data are lines that are no fields
	nested   nesting // of data up to followed
	followed int

	texts [maxTogether]string // of usual chunks; here, because a release keeps the memory
	held  []byte              // a line that belongs to the next event
}

// eventReaders are readers that were released.
var eventReaders = sync.Pool{New: func() any { return &eventReader{space: make([]byte, 16<<10)} }}

// newEventReader returns a reader for one stream. The caller releases the reader.
func newEventReader(r io.Reader, max int) *eventReader {
	e := eventReaders.Get().(*eventReader)
	*e = eventReader{r: r, max: max, space: e.space, line: e.line[:0], data: e.data[:0]}
	return e
}

// maxKept limits the buffers that are kept for the next stream.
const maxKept = 64 << 10

// release gives the buffers to another stream. No event of the reader may be in use.
func (e *eventReader) release() {
	if cap(e.line)+cap(e.data) > maxKept {
		e.line, e.data = nil, nil
	}
	e.r = nil
	clear(e.texts[:])
	eventReaders.Put(e)
}

// next returns the next event with data. At the end, next returns io.EOF. After a
// failed read, next returns the events before the failure, and then the error.
func (e *eventReader) next() (event, error) {
	if usual, size := e.inMemory(); size > 0 {
		e.skip(size)
		return usual, nil
	}
	e.name, e.data, e.hasData, e.bare, e.nested, e.followed = "", e.data[:0], false, false, nesting{}, 0
	for {
		line, err := e.nextLine()
		if err != nil {
			if e.hasData && (errors.Is(err, io.EOF) || e.isClosed()) {
				ended := e.event()
				ended.cut = true
				return ended, nil
			}
			return event{}, err
		}
		whole, err := e.take(line)
		if err != nil {
			return event{}, err
		}
		if whole {
			return e.event(), nil
		}
	}
}

// The fields of the usual event.
const (
	nameField = "event: "
	dataField = "data: "
)

// inMemory returns the next event and its size in bytes if the event stands whole in
// memory: perhaps a line with the name, one line of data, and an empty line. The event
// stays the next event until skip. The size is 0 for any other event.
func (e *eventReader) inMemory() (usual event, size int) {
	if e.held != nil || len(e.chunk) < len(nameField) {
		return event{}, 0
	}
	rest := e.chunk
	if string(rest[:len(nameField)]) == nameField {
		end := e.lineEnd()
		if end > e.max || end == len(rest) || rest[end] != '\n' {
			return event{}, 0
		}
		usual.name = e.named(rest[len(nameField):end])
		rest = rest[end+1:]
	}
	if len(rest) < len(dataField) || string(rest[:len(dataField)]) != dataField {
		return event{}, 0
	}
	end := bytes.IndexByte(rest, '\n')
	if end < 0 || end > e.max || end+1 == len(rest) || rest[end+1] != '\n' || bytes.IndexByte(rest[:end], '\r') >= 0 {
		return event{}, 0
	}
	usual.data = rest[len(dataField):end]
	return usual, len(e.chunk) - len(rest) + end + len("\n\n")
}

// named returns the name of an event. Most events of a stream have one name.
func (e *eventReader) named(name []byte) string {
	if string(name) != e.lastName {
		e.lastName = string(name)
	}
	return e.lastName
}

// skip passes over the event of the size that inMemory returned.
func (e *eventReader) skip(size int) {
	e.chunk = e.chunk[size:]
	e.begun, e.skipLF = true, false
}

func (e *eventReader) event() event {
	return event{name: e.name, data: e.data, bare: e.bare, cut: e.bare && e.ended && e.held == nil}
}

// take takes a line, and reports whether it ends an event.
func (e *eventReader) take(line []byte) (whole bool, err error) {
	name, value := splitLine(line)
	switch {
	case e.bare && len(name) == 0: // an empty line or a comment inside of JSON
	case len(line) == 0:
		if !e.hasData {
			e.name = ""
		}
		return e.hasData, nil
	case e.hasData && (isError(name) || e.bare && isField(name) || string(name) == "data" && e.complete()):
		e.held = line
		return true, nil
	case string(name) == "event":
		e.name = e.named(value)
	case string(name) == "data":
		err = e.add(value)
		return isDone(e.data), err
	case isError(name):
		e.name = "error"
		err = e.add(value)
		return e.complete(), err
	case !e.bare && !isUnknown(name, line, value):
	case e.hasData && e.complete():
		e.held = line
		return true, nil
	default:
		e.bare = e.bare || !e.hasData
		err = e.add(line)
		return e.bare && e.complete(), err
	}
	return false, nil
}

// complete reports whether no line can go on with the data: it is a whole object or
// list, or neither.
func (e *eventReader) complete() bool { return !isOpen(e.data) || e.isClosed() }

// isClosed reports whether data is a whole string, object or list. The reader follows
// the brackets only here: nearly every event is one line, and nothing asks for them.
func (e *eventReader) isClosed() bool {
	e.nested.add(e.data[e.followed:])
	e.followed = len(e.data)
	return e.nested.complete()
}

// isField reports whether name is that of a field, or a comment's.
func isField(name []byte) bool {
	switch string(name) {
	case "", "data", "event", "id", "retry":
		return true
	}
	return false
}

func isError(name []byte) bool {
	return len(name) == len("error") && strings.EqualFold(string(name), "error")
}

// isOpen reports whether data begins as an object or a list.
func isOpen(data []byte) bool {
	data = bytes.TrimLeft(data, " \t")
	return len(data) > 0 && (data[0] == '{' || data[0] == '[')
}

// isUnknown reports whether a line is not a field. By the standard, a client ignores
// a field with an unknown name. If the value is JSON, however, a part of the name
// "data" was lost.
func isUnknown(name, line, value []byte) bool {
	return !isField(name) && (len(name) == len(bytes.TrimSpace(line)) || isOpen(value) ||
		bytes.ContainsFunc(name, func(r rune) bool { return r != '-' && r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }))
}

func (e *eventReader) add(value []byte) error {
	if len(e.data)+len(value) >= e.max {
		return fmt.Errorf("%w of %d bytes", errTooLong, e.max)
	}
	if e.hasData {
		_ = e.isClosed() // follows the lines so far: the \n between two lines is no part of them
		e.data = append(e.data, '\n')
		e.followed = len(e.data)
	}
	e.hasData = true
	e.data = append(e.data, value...)
	return nil
}

func isDone(data []byte) bool {
	const longest = 64 // with blanks around it; spares looking at long data line by line
	return len(data) <= longest && string(bytes.Trim(data, " \t\"")) == "[DONE]"
}

// splitLine splits a line into field and value. A comment has no name.
func splitLine(line []byte) (name, value []byte) {
	for len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
		line = line[1:]
	}
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return line, nil
	}
	name, value = line[:colon], line[colon+1:]
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	return name, value
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
		end := e.lineEnd()
		if len(e.line)+end > e.max {
			return nil, fmt.Errorf("%w of %d bytes", errTooLong, e.max)
		}
		line := e.chunk[:end]
		if len(e.line) > 0 || end == len(e.chunk) {
			e.line = append(e.line, line...)
			line = e.line
		}
		if end == len(e.chunk) {
			e.chunk = nil
			continue
		}
		e.skipLF = e.chunk[end] == '\r'
		e.chunk = e.chunk[end+1:]
		return e.unmarked(line), nil
	}
}

// lineEnd returns the index of the first CR or LF in chunk, or its length. The place of
// the LF is kept over lines that end with CR, because each search for LF may look at
// the whole chunk.
func (e *eventReader) lineEnd() int {
	if e.lf > len(e.chunk) {
		e.lf = 0
		if at := bytes.IndexByte(e.chunk, '\n'); at >= 0 {
			e.lf = len(e.chunk) - at
		}
	}
	end := len(e.chunk) - e.lf
	if at := bytes.IndexByte(e.chunk[:end], '\r'); at >= 0 {
		return at
	}
	return end
}

func (e *eventReader) fill() {
	n, err := e.r.Read(e.space)
	e.chunk, e.lf, e.err = e.space[:n], n+1, err
}

// lastLine returns what stands after the last line end, if reading ended well.
func (e *eventReader) lastLine() ([]byte, error) {
	if len(e.line) == 0 || !errors.Is(e.err, io.EOF) {
		return nil, e.err
	}
	line := bytes.Clone(e.unmarked(e.line))
	e.line, e.ended = e.line[:0], true
	if len(line) == 0 {
		return nil, e.err
	}
	return line, nil
}

// unmarked returns the line, the very first without its byte order mark.
func (e *eventReader) unmarked(line []byte) []byte {
	if e.begun {
		return line
	}
	e.begun = true
	return bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
}
