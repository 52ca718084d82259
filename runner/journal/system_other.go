//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly || windows)

package journal

import (
	"errors"
	"fmt"
)

// lock reports that there is no lock here, so that no session can be opened.
func (systemFile) lock() (bool, error) {
	return false, fmt.Errorf("lock of a file: %w", errors.ErrUnsupported)
}

func (systemFiles) syncDir(string) error { return errors.ErrUnsupported }
