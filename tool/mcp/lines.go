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
	if text[0] == '[' && json.Unmarshal(text, &several) == nil {
		return several
	}
	return []json.RawMessage{text}
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
