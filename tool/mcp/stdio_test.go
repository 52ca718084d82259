package mcp_test

import (
	"bytes"
	"log/slog"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// stdio starts this program as a server.
func stdio(t *testing.T, mode string) (mcp.Server, *logged) {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	log := new(logged)
	return mcp.Server{
		Name: "s", Bare: true, Command: []string{exe}, Env: map[string]string{modeVariable: mode + ",on", "SECRET": "hunter2hunter2"},
		Log: slog.New(slog.NewTextHandler(log, nil)),
	}, log
}

type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func toolNamed(t *testing.T, tools []tool.Tool, name string) tool.Tool {
	t.Helper()
	for _, one := range tools {
		if one.Name() == name {
			return one
		}
	}
	require.Fail(t, "no tool "+name)
	return tool.Tool{}
}
