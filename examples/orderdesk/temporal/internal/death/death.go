// Package death ends a process in the middle of its work, for tests.
package death

import (
	"errors"
	"io/fs"
	"os"
)

// Once makes a file and kills this process. If the file exists, Once does nothing.
func Once(file string) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return
	}
	if err == nil {
		_ = f.Close()
		var self *os.Process
		if self, err = os.FindProcess(os.Getpid()); err == nil {
			err = self.Kill()
		}
	}
	if err != nil {
		panic(err)
	}
	select {}
}
