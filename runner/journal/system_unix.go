//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package journal

import (
	"errors"
	"os"
	"syscall"
)

// lock takes the lock of the open file, not of the process: two openings in one
// process exclude each other as well.
func (f systemFile) lock() (bool, error) {
	err := f.flock(syscall.LOCK_EX | syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// Close unlocks explicitly, because a child process that starts right now has the file,
// too, and would keep the lock for a moment.
func (f systemFile) Close() error {
	return errors.Join(f.flock(syscall.LOCK_UN), f.File.Close())
}

func (f systemFile) flock(how int) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var lockErr error
	err = raw.Control(func(fd uintptr) {
		for {
			lockErr = syscall.Flock(int(fd), how)
			if !errors.Is(lockErr, syscall.EINTR) {
				return
			}
		}
	})
	return errors.Join(err, os.NewSyscallError("flock", lockErr))
}

func (systemFiles) syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); !errors.Is(err, syscall.EINVAL) { // EINVAL means that this file system does not sync directories
		return err
	}
	return nil
}
