package journal

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/seed-916e8f6a/toolloop/internal/opening"
)

// scan is the result of reading a file from its beginning.
type scan struct {
	session string
	path    string

	end    int64 // bytes of whole appends, header included
	next   int64 // the Seq of the next event
	synced int64 // bytes known to be on the disk
	lines  int   // of the whole appends and of the current append
}

// scanFile reads a file. The rest of an interrupted write is not an error: it lies
// beyond end.
func scanFile(ctx context.Context, r io.ReaderAt, size int64, session, path string) (*scan, error) {
	s := &scan{session: session, path: path, next: 1}
	in := bufio.NewReaderSize(io.NewSectionReader(r, 0, size), 1<<16)
	torn, err := s.header(in)
	for !torn && err == nil && s.end < size {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		opening.Progress(ctx)
		torn, err = s.append(in)
	}
	if err == nil && torn {
		err = s.checkBehindTear(in)
	}
	if errors.Is(err, errNewer) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, err
}

var errNewer = errors.New("the file was written by a newer version of this library")

// header reads the first line. An empty file has no header.
func (s *scan) header(in *bufio.Reader) (torn bool, err error) {
	raw, err := readLine(in)
	if err != nil || len(raw) == 0 {
		return true, err
	}
	s.lines++
	h, err := parseHeader(bytes.TrimSuffix(raw, []byte("\n")))
	switch {
	case err != nil || raw[len(raw)-1] != '\n':
		return s.tornOrCorrupt(raw, 1, err)
	case h.Version > formatVersion:
		return false, fmt.Errorf("%w: format %d, known are up to %d", errNewer, h.Version, formatVersion)
	case h.Version < 1:
		return false, s.corrupt(1, errFrame)
	case h.Session != s.session:
		return false, s.corrupt(1, fmt.Errorf("this is the file of session %q", h.Session))
	}
	s.end = int64(len(raw))
	return false, nil
}

// append reads the lines of an append.
func (s *scan) append(in *bufio.Reader) (torn bool, err error) {
	end, next, synced := s.end, s.next, s.synced
	for left := -1; left != 0; {
		raw, err := readLine(in)
		if err != nil || len(raw) == 0 {
			return true, err
		}
		s.lines++
		f, err := parseFrame(bytes.TrimSuffix(raw, []byte("\n")))
		switch {
		case err != nil || raw[len(raw)-1] != '\n':
			return s.tornOrCorrupt(raw, next, err)
		case f.seq != next:
			return false, s.corrupt(next, fmt.Errorf("the line is that of event %d", f.seq))
		case left >= 0 && f.left != left-1, f.synced < synced, f.synced > s.end:
			return false, s.corrupt(next, errFrame)
		}
		end, next, synced, left = end+int64(len(raw)), next+1, f.synced, f.left
	}
	s.end, s.next, s.synced = end, next, synced
	return false, nil
}

// tornOrCorrupt distinguishes the rest of an interrupted write from damage. A crash cuts
// unsynced bytes anywhere, and can leave zeros in place of any part of them. A wrong line
// of full length without zeros was therefore damaged.
func (s *scan) tornOrCorrupt(raw []byte, seq int64, cause error) (torn bool, err error) {
	if hasUnwrittenBlock(raw) {
		return true, nil
	}
	if line, ended := bytes.CutSuffix(raw, []byte("\n")); ended {
		return false, s.corrupt(seq, cause)
	} else if _, whole := unseal(line[:len(line)-1]); whole {
		return false, s.corrupt(seq, errors.New("the line feed is another byte"))
	}
	return true, nil
}

// hasUnwrittenBlock reports whether a line has zeros from a crash. JSON text has no zeros.
// A single NUL in the middle is a flipped bit of a space (damage). An unwritten block of
// the file leaves a run of NULs, or NULs at an end of the line.
func hasUnwrittenBlock(raw []byte) bool {
	return bytes.Contains(raw, []byte{0, 0}) || raw[0] == 0 || raw[len(raw)-1] == 0
}

// checkBehindTear reads the lines behind a torn place. Each line says how much of the file
// was on the disk. If a line says that the torn place was, a crash cannot be the reason,
// and the file is damaged.
func (s *scan) checkBehindTear(in *bufio.Reader) error {
	place := *s
	for {
		raw, err := readLine(in)
		if err != nil || len(raw) == 0 {
			return err
		}
		line := bytes.TrimSuffix(raw, []byte("\n"))
		f, err := parseFrame(line[bytes.LastIndexByte(line, 0)+1:]) // zeros of an unwritten block may stand before the line
		if err == nil && f.synced > s.end {
			return place.corrupt(s.next, errors.New("it was on the disk, and is not there any more"))
		}
	}
}

func (s *scan) corrupt(seq int64, reason error) error {
	return &CorruptError{
		Session: s.session, Seq: seq, Place: fmt.Sprintf("%s, line %d", s.path, s.lines), Reason: reason.Error(),
	}
}

// readLine returns the next line with its line feed, which the last line may lack, and
// nothing at the end. The line is valid until the next read.
func readLine(in *bufio.Reader) ([]byte, error) {
	raw, err := in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		var rest []byte
		raw = bytes.Clone(raw) // the next read changes raw
		rest, err = in.ReadBytes('\n')
		raw = append(raw, rest...)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return raw, err
}
