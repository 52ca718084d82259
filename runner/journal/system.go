package journal

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// fileSystem has the operations that [Dir] needs. Paths are paths of the system.
type fileSystem interface {
	open(path string) (f file, made bool, err error) // for reading and writing; makes a missing file
	write(path string, data []byte) error            // replaces a small file without a sync; makes a missing file
	read(path string) (readFile, error)
	list(dir string) ([]string, error)
	mkdir(dir string) error
	remove(path string) error
	syncDir(dir string) error // makes the names in a directory durable
}

// readFile is a file that is open for reading.
type readFile interface {
	io.ReaderAt
	Close() error
	size() (int64, error)
}

// file is an open file.
type file interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error // gives the lock back, too
	size() (int64, error)
	lock() (bool, error)   // does not wait; false: another opening of the file has it
	isAt(path string) bool // whether the path names this file
}

// systemFiles is the file system of the operating system.
type systemFiles struct{}

func (systemFiles) open(path string) (_ file, made bool, _ error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		made = true
		f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	}
	if err != nil {
		return nil, false, err
	}
	return systemFile{f}, made, nil
}

func (systemFiles) write(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	return errors.Join(err, f.Close())
}

func (systemFiles) read(path string) (readFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return openedFile{f}, nil
}

func (systemFiles) list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

func (systemFiles) mkdir(dir string) error   { return os.Mkdir(dir, 0o700) }
func (systemFiles) remove(path string) error { return os.Remove(path) }

type systemFile struct{ *os.File }

func (f systemFile) size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, &fs.PathError{Op: "open", Path: f.Name(), Err: errors.New("this is not a regular file")}
	}
	return info.Size(), nil
}

// openedFile is a file without a lock.
type openedFile struct{ *os.File }

func (f openedFile) size() (int64, error) { return systemFile(f).size() }

func (f systemFile) isAt(path string) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(mine, there)
}
