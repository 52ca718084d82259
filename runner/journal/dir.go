package journal

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path/filepath"
	"strings"
)

// Dir is a [Journal] of files: a directory with one file for each session. It
// holds nothing open and may be copied; all that name the same directory, in
// this process and in others of this machine, are the same journal.
//
// A file is JSON lines: a header with the session's name, then a line for each
// event. It may be read while the session is open, and copied while it is not:
//
//	jq 'select(.type == "tool_call_started") | .name' order-42-*.jsonl
//
// A session is open as long as a process holds the lock of its file, which the
// system takes back when the process dies. Locks of network file systems are
// only as good as these make them.
//
// What an interrupted write left at the end of a file is cut off when the
// session is opened. Other damage is a [*CorruptError]. A disk that is full and
// the like are a [*StoreError]. After a disk failed to sync nothing is known of
// what it kept, so that the log is over; what was acknowledged before is not
// lost. A write that hangs in the system is waited for, whatever the context.
//
// Beside the file of a session lies a small one, whose name ends in .synced: it says
// how much of the session was on the disk. A file that is shorter has lost its end, as
// a copy that broke off or a backup from before has, and is a *CorruptError too: calls
// that it does not know any more would run again. To go on with it all the same,
// remove the small file. Where that is not there, nothing can tell: what was cut off at
// the end of an append was never there for whoever reads the rest. Only the idempotency
// keys of calls protect then, and those of calls that the model makes anew are others.
type Dir struct {
	// Path is the directory. It is made, for its owner alone, when the first
	// session is opened.
	Path string
	// MaxBytes bounds the file of a session that is opened; a larger one is a
	// [*SizeError]. A run that has begun may go beyond it. Default 512 MiB, -1 is no
	// limit.
	MaxBytes int64

	system fileSystem // nil: the operating system's
}

// extension is that of all files.
const extension = ".jsonl"

func (d Dir) files() fileSystem {
	if d.system != nil {
		return d.system
	}
	return systemFiles{}
}

// Open implements [Journal].
func (d Dir) Open(ctx context.Context, session string) (Log, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if err := CheckName(session); err != nil {
		return nil, err
	}
	if d.Path == "" {
		return nil, errNoPath
	}
	path := filepath.Join(d.Path, fileName(session))
	f, made, err := d.lock(path)
	if err != nil {
		return nil, &StoreError{Session: session, Err: err}
	}
	if f == nil {
		return nil, &BusyError{Session: session}
	}
	l := &fileLog{session: session, path: path, files: d.files(), file: f}
	if made {
		l.forget()
	}
	if err := l.load(ctx, d.MaxBytes); err != nil {
		_ = f.Close()
		_, damaged := errors.AsType[*CorruptError](err)
		if _, large := errors.AsType[*SizeError](err); damaged || large {
			return nil, err
		}
		return nil, &StoreError{Session: session, Err: err}
	}
	l.ctx, l.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	return l, nil
}

var errNoPath = errors.New("journal: Dir has no Path")

// lock opens a file and takes its lock; nil: somebody else has it. Who closes an
// empty file removes it, so that the lock of one that has left is worth nothing.
func (d Dir) lock(path string) (_ file, made bool, _ error) {
	for range 100 {
		f, made, err := d.open(path)
		if err != nil {
			return nil, false, err
		}
		locked, err := f.lock()
		if locked && err == nil && f.isAt(path) {
			return f, made, nil
		}
		_ = f.Close()
		if err != nil || !locked {
			return nil, false, err
		}
	}
	return nil, false, nil // it comes and goes: others are at it
}

// open opens a file, and makes the directory when it has to.
func (d Dir) open(path string) (_ file, made bool, _ error) {
	f, made, err := d.files().open(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeDir(d.files(), d.Path); err != nil {
			return nil, false, err
		}
		return d.files().open(path)
	}
	return f, made, err
}

// makeDir makes a directory with its parents. See syncNames.
func makeDir(files fileSystem, dir string) error {
	err := files.mkdir(dir)
	if parent := filepath.Dir(dir); errors.Is(err, fs.ErrNotExist) && parent != dir {
		if err := makeDir(files, parent); err != nil {
			return err
		}
		err = files.mkdir(dir)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// syncNames makes the names in a directory durable, its own and those of all its
// parents: any of them can be new, since who made it perhaps did not come to
// sync it. A parent that this user may not read is none that was made here.
func syncNames(files fileSystem, dir string) error {
	err := files.syncDir(dir)
	for parent := filepath.Dir(dir); err == nil && parent != dir; parent = filepath.Dir(dir) {
		if err = files.syncDir(parent); errors.Is(err, fs.ErrPermission) {
			err = nil
		}
		dir = parent
	}
	return err
}

// fileName is a name that every file system takes for every session: what can be
// read of the session's name, and a hash of all of it. So names that differ in
// case alone, are reserved, long or full of slashes have a file of their own.
func fileName(session string) string {
	readable := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '_'
	}, session)
	sum := sha256.Sum256([]byte(session))
	return fmt.Sprintf("%.40s-%x%s", readable, sum[:16], extension)
}

// Sessions yields the names of the sessions that were appended to, in no special
// order, open ones as well. A file that cannot be read is a pair with an error, and the others
// follow; so is, as the last pair, the cause of a ctx that ended. Without the
// directory there is none.
func (d Dir) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if d.Path == "" {
			yield("", errNoPath)
			return
		}
		names, err := d.files().list(d.Path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			yield("", fmt.Errorf("journal: %w", err))
			return
		}
		for _, name := range names {
			if err := context.Cause(ctx); err != nil {
				yield("", err)
				return
			}
			if filepath.Ext(name) != extension {
				continue
			}
			session, err := d.sessionOf(name)
			if (session != "" || err != nil) && !yield(session, err) {
				return
			}
		}
	}
}

// sessionOf reads a file's header; "": it has none, since nothing was kept.
func (d Dir) sessionOf(name string) (string, error) {
	path := filepath.Join(d.Path, name)
	in, err := d.files().read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("journal: %w", err)
	}
	defer in.Close()
	line, err := readLine(bufio.NewReader(io.LimitReader(in, maxHeader)))
	if err != nil {
		return "", fmt.Errorf("journal: %w", err)
	}
	text, ended := strings.CutSuffix(string(line), "\n")
	if !ended && len(text) < maxHeader {
		return "", nil
	}
	h, err := parseHeader([]byte(text))
	if err != nil {
		return "", fmt.Errorf("journal: %s: line 1: %w", path, err)
	}
	return h.Session, nil
}

// maxHeader is how much of a file may be header, in bytes.
const maxHeader = 1 << 20
