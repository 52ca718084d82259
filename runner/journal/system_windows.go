package journal

import (
	"errors"
	"os"
	"syscall"
	"unsafe"
)

var (
	kernel32     = syscall.NewLazyDLL("kernel32.dll")
	lockFileEx   = kernel32.NewProc("LockFileEx")
	unlockFileEx = kernel32.NewProc("UnlockFileEx")
)

const (
	lockFailImmediately = 1
	lockExclusive       = 2

	errLockViolation = syscall.Errno(33)
)

// lock locks a byte far behind the end of the file, because a lock on Windows keeps
// others from reading the locked bytes.
func (f systemFile) lock() (bool, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	var ok uintptr
	var lockErr error
	err = raw.Control(func(handle uintptr) {
		ok, _, lockErr = lockFileEx.Call(handle, lockExclusive|lockFailImmediately, 0, 1, 0, uintptr(unsafe.Pointer(farBehind())))
	})
	switch {
	case err != nil:
		return false, err
	case ok != 0:
		return true, nil
	case errors.Is(lockErr, errLockViolation), errors.Is(lockErr, syscall.ERROR_IO_PENDING):
		return false, nil
	}
	return false, os.NewSyscallError("LockFileEx", lockErr)
}

func farBehind() *syscall.Overlapped { return &syscall.Overlapped{OffsetHigh: 0x7fffffff} }

// Close unlocks explicitly, because the system unlocks a closed handle only after a while.
func (f systemFile) Close() error {
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(handle uintptr) {
			_, _, _ = unlockFileEx.Call(handle, 0, 1, 0, uintptr(unsafe.Pointer(farBehind()))) // an unlocked file is fine
		})
	}
	return f.File.Close()
}

// syncDir does nothing: Windows cannot sync a directory, and NTFS keeps a name
// with the file that was synced.
func (systemFiles) syncDir(string) error { return nil }
