package journal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/journaltest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	journaltest.Test(t, func(*testing.T) journaltest.Store {
		m := new(journal.Memory)
		return journaltest.Store{Open: func() journal.Journal { return m }}
	})
}

func TestDir(t *testing.T) {
	t.Parallel()
	journaltest.Test(t, func(t *testing.T) journaltest.Store {
		files := t.TempDir()
		store := journaltest.Store{
			Open: func() journal.Journal { return journal.Dir{Path: files} },
			Lose: func(string) error { return replace(onlyFile(t, files)) },
			Tear: func(_ string, n int) error { return shorten(onlyFile(t, files), n) },
		}
		if runtime.GOOS == "windows" {
			store.Lose = nil // a file that is open cannot be replaced
		}
		return store
	})
}

// onlyFile is the path of the one session of a directory.
func onlyFile(t *testing.T, dir string) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	require.NoError(t, err)
	require.Len(t, paths, 1)
	return paths[0]
}

// replace puts a copy in a file's place. Who has the file open has another now.
func replace(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".copy", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".copy", path)
}

func shorten(path string, n int) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() < int64(n) {
		return fmt.Errorf("%s has %d bytes", path, info.Size())
	}
	return os.Truncate(path, info.Size()-int64(n))
}
