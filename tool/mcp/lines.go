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

// next returns a line without its end, surrounding blanks and a byte order mark. It may
// return the last line together with an error.
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

// batch returns the messages of a line. Older servers send several messages as an
// array.
func batch(text []byte) []json.RawMessage {
	var several []json.RawMessage
	if bytes.HasPrefix(text, []byte("[")) && json.Unmarshal(text, &several) == nil {
		return several
	}
	return []json.RawMessage{text}
}

// normalizer rewrites lines so that the SDK can read every response.
type normalizer struct {
	lines lines
	io.Closer
	unread []byte
	err    error // returned after unread
}

func (a *normalizer) Read(p []byte) (int, error) {
	for len(a.unread) == 0 {
		if a.err != nil {
			return 0, a.err
		}
		text, err := a.lines.next()
		a.unread, a.err = append(normalized(text), '\n'), err
	}
	n := copy(p, a.unread)
	a.unread = a.unread[n:]
	return n, nil
}

// normalized returns a line that the SDK can read. A line that is not a message is
// returned unchanged.
func normalized(text []byte) []byte {
	var own []byte
	for _, one := range batch(text) {
		m, err := readMessage(one)
		if err != nil {
			return text
		}
		if answer, ok := m.(*jsonrpc.Response); ok {
			one, _ = jsonrpc.EncodeMessage(answer) // cannot fail: we decoded it
		}
		own = append(append(own, one...), '\n')
	}
	if own == nil {
		return text
	}
	return bytes.TrimSuffix(own, []byte("\n"))
}

const (
	maxTail    = 4 << 10 // of the standard error, in bytes
	maxLogLine = 8 << 10
)

// A tail receives a server's standard error: it logs the lines and keeps the end.
type tail struct {
	log *serverLog

	mu    sync.Mutex
	kept  []byte
	short bool // kept begins in the middle of a line
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
			t.flush()
		}
	}
	return len(p), nil
}

func (t *tail) flush() {
	if text := bytes.TrimSpace(t.line); len(text) > 0 {
		t.log.write(slog.LevelInfo, "mcp server", string(text))
	}
	t.line = t.line[:0]
}

// String returns the last lines. It omits a cut-off first line, since a part of a
// secret would not be redacted.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.kept
	if t.short {
		_, kept, _ = bytes.Cut(kept, []byte("\n"))
	}
	return string(bytes.TrimSpace(kept))
}
