// Package bank is the world outside: payments that a killed worker may have made.
package bank

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A Bank is a directory with a file for each payment, by its key.
type Bank string

// Pay pays, once for each key.
func (b Bank) Pay(key, order string, dollars int) (string, error) {
	log, err := os.OpenFile(filepath.Join(string(b), "attempts.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(log, key); err != nil {
		return "", err
	}
	if err := log.Close(); err != nil {
		return "", err
	}
	f, err := os.OpenFile(filepath.Join(string(b), strings.ReplaceAll(key, "/", "_")+".paid"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return "Paid before.", nil
	}
	if err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(f, order, dollars); err != nil {
		return "", err
	}
	return fmt.Sprintf("Paid %d dollars.", dollars), f.Close()
}

// Count returns the number of payments, and of attempts.
func (b Bank) Count() (paid, tries int, err error) {
	files, err := filepath.Glob(filepath.Join(string(b), "*.paid"))
	if err != nil {
		return 0, 0, err
	}
	log, err := os.ReadFile(filepath.Join(string(b), "attempts.log"))
	return len(files), strings.Count(string(log), "\n"), err
}
