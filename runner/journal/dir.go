package journal

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// Dir is a [Journal] of files: a directory with a file for each session. A Dir holds
// nothing open and may be copied. All Dirs with the same directory, in all processes of
// the machine, are the same journal.
//
// A file has JSON lines: a header with the session's name, then a line for each event.
// You may read the file while the session is open, and copy the file while the session
// is closed:
//
//	jq 'select(.type == "tool_call_started") | .name' order-42-*.jsonl
//
// A session is open while a process holds the lock of its file. The system releases the
// lock when the process dies. Locks of network file systems are only as good as the file
// system.
//
//   - Open cuts off the rest of an interrupted write at the end of a file. Other damage is
//     a [*CorruptError].
//   - A full disk and similar failures are a [*StoreError].
//   - After a failed sync the log's Context ends, and every further append fails, because
//     nobody knows what the disk kept. Acknowledged events are not lost.
//   - An append waits for a write that hangs in the system, also after the end of the
//     context.
//
// Beside the file of a session lies a small file with the ending .synced, which says how
// much of the session was on the disk. A shorter session file has lost its end, like a
// truncated copy or an old backup, and is a *CorruptError: calls of the lost part would
// run again. To continue anyway, remove the small file. Without the small file, Dir
// cannot notice a lost end at the border of an append. Calls of the lost part can then
// run again, and only their idempotency keys protect against a second effect. If the
// model makes a lost call again, the call has a new key, and nothing protects.
type Dir struct {
	// Path is the directory. Opening the first session makes the directory, for its owner
	// alone.
	Path string
	// MaxBytes bounds the file of a session that is opened. A larger file is a
	// [*SizeError]. A run that has begun may exceed MaxBytes. Zero means 512 MiB, -1 means
	// no limit.
	MaxBytes int64

	system fileSystem // nil: the operating system's
}

// extension is the ending of session files.
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
		l.removeStaleMark()
		_ = l.files.remove(l.statePath())
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

// lock opens a file and takes its lock. Nil means that somebody else has the lock.
// Closing an empty file removes the file, so a lock on a removed file is worth nothing.
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
	return nil, false, nil // the file comes and goes: other openings are at work
}

// open opens a file, and makes the directory if necessary.
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

// syncNames makes the names in a directory and in all its parents durable. Any of them
// can be new, because a process may have died between making and syncing a directory. A
// parent that this user may not read was not made here.
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

// fileName is a name that every file system accepts: the readable part of the session's
// name, and a hash of the whole name. Names that differ only in case, reserved names,
// long names and names with slashes therefore have their own files.
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

// Delete implements [Deleter].
func (d Dir) Delete(ctx context.Context, session string, seq int64) error {
	log, err := d.Open(ctx, session)
	if err != nil {
		return err
	}
	l, _ := log.(*fileLog)
	return errors.Join(l.delete(seq), l.Close())
}

// delete empties the file. Close removes an empty file.
func (l *fileLog) delete(seq int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq >= 0 && l.next != seq+1 {
		return &ConflictError{Session: l.session, Want: l.next, Got: seq + 1}
	}
	if l.end == 0 {
		return nil
	}
	_ = l.files.remove(l.statePath())
	_ = l.files.remove(l.markPath()) // before the file: a mark of a shorter file would be damage
	l.end, l.next, l.synced, l.inherited = 0, 1, 0, 0
	if err := l.cut(); err != nil {
		return &StoreError{Session: l.session, Err: l.fail(err)}
	}
	return nil
}
