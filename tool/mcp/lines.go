package mcp

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// lines reads the lines of a server's standard output.
type lines struct {
	from  io.Reader
	limit int
	buf   *bufio.Reader
}

// next returns a line without its end, blanks around it and a mark of byte order.
// With an error it may return the last one.
func (l *lines) next() ([]byte, error) {
	if l.buf == nil {
		l.buf = bufio.NewReaderSize(l.from, 64<<10)
	}
	var text []byte
	for {
		part, err := l.buf.ReadSlice('\n')
		text = append(text, part...)
		if len(text) > l.limit {
			return nil, fmt.Errorf("a message of the server has more than %d bytes", l.limit)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(text), []byte("\xEF\xBB\xBF"))), err
	}
}

// batch returns the messages of a line, which older servers write several into.
func batch(text []byte) []json.RawMessage {
	var several []json.RawMessage
	if bytes.HasPrefix(text, []byte("[")) && json.Unmarshal(text, &several) == nil {
		return several
	}
	return []json.RawMessage{text}
}

// answers are lines in which the SDK can read every answer.
type answers struct {
	lines
	io.Closer
	rest []byte
	err  error // behind the rest
}

func (a *answers) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.err != nil {
			return 0, a.err
		}
		text, err := a.next()
		a.rest, a.err = append(readable(text), '\n'), err
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// readable is a line whose answers the SDK can read; what is no message stays as it is.
func readable(text []byte) []byte {
	var own []byte
	for _, one := range batch(text) {
		m, err := readMessage(one)
		if err != nil {
			return text
		}
		if answer, ok := m.(*jsonrpc.Response); ok {
			one, _ = jsonrpc.EncodeMessage(answer) // it was decoded from JSON
		}
		own = append(append(own, one...), '\n')
	}
	if own == nil {
		return text
	}
	return bytes.TrimSuffix(own, []byte("\n"))
}

const (
	maxTail    = 4 << 10 // of a server's standard error, in bytes
	maxLogLine = 8 << 10
)

// A tail takes a server's standard error: it logs the lines and keeps the last.
type tail struct {
	diary *diary

	mu    sync.Mutex
	kept  []byte
	short bool // kept begins somewhere in a line
	line  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if extra := len(t.kept) - maxTail; extra > 0 {
		t.kept, t.short = append(t.kept[:0], t.kept[extra:]...), true
	}
	for rest := p; len(rest) > 0; {
		text, more, ended := bytes.Cut(rest, []byte("\n"))
		t.line = append(t.line, text[:min(len(text), maxLogLine-len(t.line))]...)
		rest = more
		if ended {
			t.log()
		}
	}
	return len(p), nil
}

func (t *tail) log() {
	if text := bytes.TrimSpace(t.line); len(text) > 0 {
		t.diary.write(slog.LevelInfo, "mcp server", string(text))
	}
	t.line = t.line[:0]
}

// String is what was written last. It begins with a line: half of a secret would not
// be known as one.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.kept
	if t.short {
		_, kept, _ = bytes.Cut(kept, []byte("\n"))
	}
	return string(bytes.TrimSpace(kept))
}
