package journal

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/opening"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// List implements [Reader]. It reads the beginning and the end of each file. A missing
// directory has no sessions. A file that cannot be read has no name in its pair.
func (d Dir) List(ctx context.Context, f Filter) iter.Seq2[Summary, error] {
	return func(yield func(Summary, error) bool) {
		if d.Path == "" {
			yield(Summary{}, errNoPath)
			return
		}
		names, err := d.files().list(d.Path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			yield(Summary{}, fmt.Errorf("journal: %w", err))
			return
		}
		var all []Summary
		for _, name := range names {
			if filepath.Ext(name) != extension {
				continue
			}
			if err := context.Cause(ctx); err != nil {
				yield(Summary{}, err)
				return
			}
			s, err := d.summarize(filepath.Join(d.Path, name), f)
			if err != nil && !yield(Summary{}, err) {
				return
			}
			if err == nil && s.Seq > 0 && f.Fits(s) {
				all = append(all, s)
			}
		}
		yieldList(ctx, all, yield)
	}
}

// tailSize is how much of the end of a file is read at first, in bytes. Most sessions are
// smaller.
const tailSize = 16 << 10

// maxHeader bounds the header of a file, in bytes.
const maxHeader = 1 << 20

// summarize reads the header and the end of a file. A file without events has no Seq.
func (d Dir) summarize(path string, f Filter) (s Summary, err error) {
	in, err := d.files().read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("journal: %w", err)
	}
	defer in.Close()
	size, err := in.size()
	if err != nil {
		return s, fmt.Errorf("journal: %w", err)
	}
	start := max(0, size-tailSize)
	tail, err := readPiece(in, start, size)
	if err != nil {
		return s, fmt.Errorf("journal: %w", err)
	}
	head := tail
	if start > 0 {
		if head, err = readLine(bufio.NewReader(io.NewSectionReader(in, 0, maxHeader))); err != nil {
			return s, fmt.Errorf("journal: %w", err)
		}
	}
	line, _, ended := bytes.Cut(head, []byte("\n"))
	if !ended && len(line) < maxHeader {
		return s, nil
	}
	h, err := parseHeader(line)
	if err != nil {
		return s, fmt.Errorf("journal: %s: line 1: %w", path, err)
	}
	if s.Session = h.Session; !f.fitsName(h.Session) {
		return s, nil
	}
	for !s.addTail(tail) && start > 0 {
		start = max(0, size-4*(size-start))
		if tail, err = readPiece(in, start, size); err != nil {
			return s, fmt.Errorf("journal: %w", err)
		}
	}
	return s, nil
}

// readPiece reads a piece of a file.
func readPiece(in readFile, from, to int64) ([]byte, error) {
	piece := make([]byte, to-from)
	n, err := in.ReadAt(piece, from)
	if errors.Is(err, io.EOF) { // the file has become shorter
		err = nil
	}
	return piece[:n], err
}

// addTail makes a summary of the last lines of a file. It returns false if these do not
// go back to the start of the last run. The first line may be a part of a line.
func (s *Summary) addTail(tail []byte) (whole bool) {
	var lines [][]byte
	end, last := 0, frame{}
	for rest := tail; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		if f, err := parseFrame(line); ended && err == nil {
			if lines = append(lines, line); f.left == 0 {
				end, last = len(lines), f
			}
		}
		rest = after
	}
	lines = lines[:end] // the rest is an append that is being written, or was interrupted
	first := 0
	for i, line := range slices.Backward(lines) {
		if kindOf(line) == "run_started" {
			first, whole = i, true
			break
		}
	}
	sum := Summary{Session: s.Session}
	prepared := -1
	for i, line := range lines[first:] {
		switch kindOf(line) {
		case "turn_prepared":
			prepared, sum.Said = i, false
		case "run_started", "run_paused", "approval_decided", "in_doubt_decided", "user_messaged", "run_finished", "run_failed":
			sum.addLine(line)
		case "tool_call_finished":
			if sum.Status == Paused || sum.Status == Late { // the call that the session waited for
				sum.addLine(line)
			}
		}
	}
	if prepared >= 0 {
		ending := sum
		sum.addLine(lines[first:][prepared]) // for the name of the agent
		agent := sum.Agent
		sum = ending
		sum.Agent = agent
	}
	if end > 0 {
		var e event.Event
		if e.UnmarshalJSON(lines[end-1]) == nil {
			sum.Changed = e.Time
		}
		sum.Seq = last.seq
	}
	*s = sum
	return whole
}

// addLine adds the event of a line.
func (s *Summary) addLine(line []byte) {
	var e event.Event
	if e.UnmarshalJSON(line) == nil { // otherwise of a newer version
		s.Add(e)
	}
}

// kindOf returns the type of the event of a line. The members before are simple. The
// events of helpers have other names, because only decisions and results change a summary.
func kindOf(line []byte) string {
	head, rest, _ := bytes.Cut(line, []byte(`","type":"`))
	if bytes.Contains(head, []byte(`"path":`)) {
		switch kind, _, _ := bytes.Cut(rest, []byte(`"`)); string(kind) {
		case "approval_decided", "in_doubt_decided", "tool_call_finished":
			return string(kind)
		}
		return "of a helper"
	}
	kind, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(kind)
}

// Read implements [Reader].
func (d Dir) Read(ctx context.Context, session string, after int64) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		r, err := d.reader(session, after)
		if err == nil {
			_, err = r.read(ctx, yield)
		}
		if err != nil {
			yield(event.Event{}, err)
		}
	}
}

// Watch implements [Reader]. It looks at the file ten times a second.
func (d Dir) Watch(ctx context.Context, session string, after int64) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		r, err := d.reader(session, after)
		if err == nil {
			err = poll(ctx, func() (bool, error) { return r.read(ctx, yield) })
		}
		if err != nil {
			yield(event.Event{}, err)
		}
	}
}

// A fileReader reads a file without its lock, from a place on.
type fileReader struct {
	dir   Dir
	scan  scan  // what was read
	after int64 // the Seq behind which events are yielded
}

func (d Dir) reader(session string, after int64) (*fileReader, error) {
	if err := CheckName(session); err != nil {
		return nil, err
	}
	if d.Path == "" {
		return nil, errNoPath
	}
	path := filepath.Join(d.Path, fileName(session))
	return &fileReader{dir: d, scan: scan{session: session, path: path, next: 1}, after: max(after, 0)}, nil
}

// rereads is how often a place that looks damaged is read again: the process that has the
// session may be replacing an interrupted append.
const rereads = 3

// read yields what the file has behind the place of the reader. It opens the file anew, so
// nobody who watches holds a file.
func (r *fileReader) read(ctx context.Context, yield func(event.Event, error) bool) (more bool, err error) {
	if err := context.Cause(ctx); err != nil {
		return false, err
	}
	in, err := r.dir.files().read(r.scan.path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, r.failed(err)
	}
	defer in.Close()
	from, next := r.scan.end, r.scan.next
	for n := 1; ; n++ {
		size, err := in.size()
		if err != nil {
			return false, r.failed(err)
		}
		before := r.scan
		if err = r.scan.more(ctx, in, size); err == nil {
			break
		}
		if _, damaged := errors.AsType[*CorruptError](err); !damaged {
			return false, r.failed(err)
		}
		if n == rereads {
			return false, err
		}
		r.scan = before
		select {
		case <-time.After(watchPause / 10):
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	return r.yield(ctx, io.NewSectionReader(in, from, r.scan.end-from), from == 0, next, yield)
}

// more scans the whole appends up to size.
func (s *scan) more(ctx context.Context, r io.ReaderAt, size int64) error {
	if size < s.end {
		return s.corrupt(s.next, errors.New("the file has become shorter"))
	}
	if size == s.end {
		return nil
	}
	in := bufio.NewReaderSize(io.NewSectionReader(r, s.end, size-s.end), 1<<16)
	torn, err := false, error(nil)
	if s.end == 0 {
		torn, err = s.header(in)
	}
	for !torn && err == nil && s.end < size {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		opening.Progress(ctx)
		torn, err = s.append(in)
	}
	return err
}

// yield yields the events of scanned lines.
func (r *fileReader) yield(ctx context.Context, lines io.Reader, header bool, next int64, yield func(event.Event, error) bool) (more bool, err error) {
	in := bufio.NewReaderSize(lines, 1<<16)
	if header {
		next--
	}
	for ; next < r.scan.next; next++ {
		if err := context.Cause(ctx); err != nil {
			return false, err
		}
		raw, err := readLine(in)
		if err != nil {
			return false, r.failed(err)
		}
		if next == 0 || next <= r.after {
			continue
		}
		line := bytes.TrimSuffix(raw, []byte("\n"))
		if _, ok := unseal(line); !ok {
			return false, r.scan.corrupt(next, errSum)
		}
		var e event.Event
		opening.Decode(func() { err = e.UnmarshalJSON(line) })
		if err != nil {
			return false, &StoreError{Session: r.scan.session, Seq: next, Err: err}
		}
		if !yield(e, nil) {
			return false, nil
		}
	}
	return true, nil
}

func (r *fileReader) failed(err error) error {
	return &StoreError{Session: r.scan.session, Seq: r.scan.next, Err: err}
}
