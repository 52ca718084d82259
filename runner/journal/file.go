package journal

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"sync"

	"github.com/seed-916e8f6a/toolloop/internal/opening"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// fileLog is an opening of a session's file.
type fileLog struct {
	session string
	path    string
	files   fileSystem
	ctx     context.Context // ends with the log; Log.Context hands it out
	cancel  context.CancelCauseFunc

	mu        sync.Mutex // guards the fields below, and is held during writes to the file
	file      file       // nil: closed
	end       int64      // bytes of whole appends; the file ends here
	next      int64      // the Seq of the next event
	synced    int64      // bytes known to be on the disk
	inherited int64      // bytes that an earlier opening wrote
}

// load reads the file, and cuts off the rest of an interrupted write.
func (l *fileLog) load(ctx context.Context, limit int64) error {
	size, err := l.file.size()
	if err == nil {
		err = CheckSize(l.session, size, limit)
	}
	if err != nil {
		return err
	}
	s, err := scanFile(ctx, l.file, size, l.session, l.path)
	if err != nil {
		return err
	}
	if marked := l.marked(); marked > s.end {
		return s.corrupt(s.next, fmt.Errorf("the file has lost its end: %d bytes were on the disk, says %s, and %d are left", marked, l.markPath(), s.end))
	}
	if s.next > 1 { // a header alone is written again
		l.end = s.end
	}
	l.next, l.synced, l.inherited = s.next, s.synced, l.end
	if l.end < size {
		return l.cut()
	}
	return nil
}

// cut removes everything beyond the end, and syncs: a crash must not mix old bytes with
// the next write.
func (l *fileLog) cut() error {
	if err := l.file.Truncate(l.end); err != nil {
		return err
	}
	return l.file.Sync()
}

func (l *fileLog) Context() context.Context { return l.ctx }

func (l *fileLog) Append(ctx context.Context, sync bool, events ...event.Event) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := context.Cause(l.ctx); err != nil {
		return err
	}
	if err := conflict(l.session, l.next, events); err != nil {
		return err
	}
	data, err := l.encode(events)
	if err == nil && (len(data) > 0 || sync) {
		err = l.write(data, sync)
	}
	if err != nil {
		return &StoreError{Session: l.session, Seq: l.next, Err: err}
	}
	l.next += int64(len(events))
	return nil
}

// encode makes the lines of an append, and the header before the first append.
func (l *fileLog) encode(events []event.Event) ([]byte, error) {
	var data []byte
	if l.end == 0 && len(events) > 0 {
		data = encodeHeader(l.session)
	}
	return encodeAppend(data, l.synced, events)
}

// write adds bytes to the file, all or none. Otherwise the log is over.
func (l *fileLog) write(data []byte, sync bool) error {
	if sync && !l.file.isAt(l.path) {
		return l.fail(errors.New("the file was removed or replaced"))
	}
	from, end := l.end, l.end+int64(len(data))
	if sync && l.inherited > l.synced {
		tail, err := l.unsynced()
		if err != nil {
			return err
		}
		from, data = l.synced, append(tail, data...)
	}
	if _, err := l.file.WriteAt(data, from); err != nil {
		return l.revert(err)
	}
	if sync {
		if err := l.sync(); err != nil {
			_ = l.file.Truncate(l.end) // the write was not acknowledged; if Truncate fails too, the next opening finds the rest
			return l.fail(err)
		}
		l.synced = end
		l.writeMark()
	}
	l.end = end
	return nil
}

// unsynced returns bytes that an earlier opening wrote and perhaps did not sync. The log
// writes these bytes again before a sync: after a failed sync, the system can believe that
// pages are clean although the pages never reached the disk.
func (l *fileLog) unsynced() ([]byte, error) {
	tail := make([]byte, l.end-l.synced)
	_, err := io.ReadFull(io.NewSectionReader(l.file, l.synced, int64(len(tail))), tail)
	return tail, err
}

// revert removes the bytes of a failed write.
func (l *fileLog) revert(cause error) error {
	if err := l.cut(); err != nil {
		return l.fail(fmt.Errorf("%w; and what was written of it could not be taken back: %w", cause, err))
	}
	return cause
}

func (l *fileLog) sync() error {
	if err := l.file.Sync(); err != nil {
		return err
	}
	if l.synced > 0 {
		return nil // an earlier sync made the name of the file durable, too
	}
	return syncNames(l.files, filepath.Dir(l.path))
}

// fail ends the log and its context.
func (l *fileLog) fail(cause error) error {
	l.cancel(&StoreError{Session: l.session, Seq: l.next, Err: fmt.Errorf("the log is over: %w", cause)})
	return cause
}

func (l *fileLog) Events(ctx context.Context) iter.Seq2[event.Event, error] {
	return l.EventsAfter(ctx, 0)
}

// EventsAfter implements the optional method of [Log].
func (l *fileLog) EventsAfter(ctx context.Context, after int64) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		l.mu.Lock()
		f, end := l.file, l.end
		l.mu.Unlock()
		if f == nil {
			yield(event.Event{}, errClosed)
			return
		}
		in := bufio.NewReaderSize(io.NewSectionReader(f, 0, end), 1<<16)
		seq, err := int64(0), error(nil)
		if after > 0 {
			if err = skip(in, after+1); err != nil {
				yield(event.Event{}, &StoreError{Session: l.session, Seq: 1, Err: err})
				return
			}
			seq = after + 1
		}
		for ; ; seq++ {
			e, err := l.read(ctx, in, seq)
			if errors.Is(err, io.EOF) {
				return
			}
			if seq == 0 && err == nil {
				continue
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// skip skips n lines, or to the end. Open has checked these lines.
func skip(in *bufio.Reader, lines int64) error {
	for lines > 0 {
		_, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err == nil:
			lines--
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
	return nil
}

// read reads the line of an event. The line of event 0 is the header.
func (l *fileLog) read(ctx context.Context, in *bufio.Reader, seq int64) (e event.Event, err error) {
	if err := context.Cause(ctx); err != nil {
		return e, err
	}
	raw, err := readLine(in)
	if err != nil {
		return e, &StoreError{Session: l.session, Seq: seq, Err: err}
	}
	if len(raw) == 0 {
		return e, io.EOF
	}
	line := bytes.TrimSuffix(raw, []byte("\n"))
	if _, ok := unseal(line); !ok { // Open has found the line intact
		return e, &CorruptError{Session: l.session, Seq: max(seq, 1), Place: fmt.Sprintf("%s, line %d", l.path, seq+1), Reason: errSum.Error()}
	}
	if seq == 0 {
		return e, nil
	}
	opening.Decode(func() { err = e.UnmarshalJSON(line) })
	if err != nil {
		return event.Event{}, &StoreError{Session: l.session, Seq: seq, Err: err}
	}
	return e, nil
}

func (l *fileLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	l.cancel(errClosed)
	if l.end == 0 && l.file.isAt(l.path) {
		_ = l.files.remove(l.path) // where an open file cannot be removed, an empty file stays
	}
	err := l.file.Close()
	l.file = nil
	if err != nil {
		return &StoreError{Session: l.session, Err: err}
	}
	return nil
}
