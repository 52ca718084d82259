package journal_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/tied"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// TestDirFile holds the form of a file: what later versions must read.
func TestDirFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	log := open(t, journal.Dir{Path: dir}, "Order/42 <é>")
	require.NoError(t, log.Append(t.Context(), true, started(1), started(2)))
	require.NoError(t, log.Append(t.Context(), false, event.Event{Seq: 3, Time: started(3).Time, Body: event.UserMessaged{Message: llm.User("a\nb")}}))
	require.NoError(t, log.Close())

	path := onlyFile(t, dir)
	require.Equal(t, "order_42____-986ea4572d2d7dff94d1a653abb37f07.jsonl", filepath.Base(path))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, strings.Join([]string{
		`{"journal":"toolloop","version":1,"session":"Order/42 <é>","sum":"b9127c26"}`,
		`{"seq":1,"time":"1970-01-01T00:00:01Z","type":"run_started","run":1,"agent":"a < b","id":"","left":1,"synced":0,"sum":"5d1d360f"}`,
		`{"seq":2,"time":"1970-01-01T00:00:02Z","type":"run_started","run":2,"agent":"a < b","id":"","left":0,"synced":0,"sum":"a128489d"}`,
		`{"seq":3,"time":"1970-01-01T00:00:03Z","type":"user_messaged","message":{"role":"user","parts":[{"type":"text","text":"a\nb"}]},"left":0,"synced":338,"sum":"4612aac2"}`,
		"",
	}, "\n"), string(data))
}

// TestDirNames: names of files are short, in lower case and of harmless letters.
func TestDirNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, name := range []string{"a", "A", "con", "../..", "/", "\x7f", strings.Repeat("é", 500), "a.jsonl", " "} {
		file := filepath.Base(journal.FileOf("", name))
		require.Regexp(t, `^[a-z0-9_]{1,40}-[0-9a-f]{32}\.jsonl$`, file)
		require.False(t, seen[file])
		seen[file] = true
	}
}

// TestDirMembers: the members that a line has beside its event are not members of an event.
func TestDirMembers(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(filepath.Join("..", "event", "event.go"))
	require.NoError(t, err)
	require.Contains(t, string(source), `json:"turn"`)
	require.NotRegexp(t, `json:"(left|synced|sum)[",]`, string(source))
}

// TestDirRefuses: files that are not what they should be are neither opened nor
// changed.
func TestDirRefuses(t *testing.T) {
	t.Parallel()
	header := func(version int, session string) string {
		return journal.Seal(fmt.Sprintf(`{"journal":"toolloop","version":%d,"session":%q`, version, session))
	}
	line := func(text string) string { return header(1, "s") + journal.Seal(text) }
	for _, tt := range []struct{ name, content, want string }{
		{"newer", header(2, "s") + "whatever\n", `journal: session "s": PATH: the file was written by a newer version of this library: format 2, known are up to 1`},
		{"no version", header(0, "s"), `journal: session "s": event 1 is damaged: PATH, line 1: this is not a line of a journal`},
		{"of another session", header(1, "other"), `journal: session "s": event 1 is damaged: PATH, line 1: this is the file of session "other"`},
		{"something else", "Dear diary,\n", `journal: session "s": event 1 is damaged: PATH, line 1: the checksum does not match`},
		{"something else, sealed", journal.Seal(`{"a":1`), `journal: session "s": event 1 is damaged: PATH, line 1: this is not a line of a journal`},
		{"a gap", line(`{"seq":2,"left":0,"synced":0`), `journal: session "s": event 1 is damaged: PATH, line 2: the line is that of event 2`},
		{"no frame", line(`{"seq":1`), `journal: session "s": event 1 is damaged: PATH, line 2: this is not a line of a journal`},
		{"synced beyond itself", line(`{"seq":1,"left":0,"synced":999`), `journal: session "s": event 1 is damaged: PATH, line 2: this is not a line of a journal`},
		{"a negative count", line(`{"seq":1,"left":-1,"synced":0`), `journal: session "s": event 1 is damaged: PATH, line 2: this is not a line of a journal`},
		{"a wrong count", line(`{"seq":1,"left":2,"synced":0`) + journal.Seal(`{"seq":2,"left":0,"synced":0`), `journal: session "s": event 2 is damaged: PATH, line 3: this is not a line of a journal`},
		{"no line feed but X", strings.TrimSuffix(line(`{"seq":1,"left":0,"synced":0`), "\n") + "X", `journal: session "s": event 1 is damaged: PATH, line 2: the line feed is another byte`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, filepath.Base(journal.FileOf("", "s")))
			require.NoError(t, os.WriteFile(path, []byte(tt.content), 0o600))
			_, err := journal.Dir{Path: dir}.Open(t.Context(), "s")
			require.EqualError(t, err, strings.ReplaceAll(tt.want, "PATH", path))
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, tt.content, string(data))
		})
	}
}

// TestDirUnknownEvent: an event of a newer version is not damage.
func TestDirUnknownEvent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, filepath.Base(journal.FileOf("", "s")))
	require.NoError(t, os.WriteFile(path, []byte(journal.Seal(`{"journal":"toolloop","version":1,"session":"s"`)+
		journal.Seal(`{"seq":1,"time":"2026-11-21T09:30:00Z","type":"dreamed","left":0,"synced":0`)), 0o600))
	for _, err := range open(t, journal.Dir{Path: dir}, "s").Events(t.Context()) {
		require.EqualError(t, err, `journal: session "s": event 1: event: dreamed: unknown type "dreamed", perhaps of a newer version`)
	}
}

func TestDirCannotOpen(t *testing.T) {
	t.Parallel()
	_, err := journal.Dir{}.Open(t.Context(), "s")
	require.EqualError(t, err, "journal: Dir has no Path")
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = journal.Dir{Path: file}.Open(t.Context(), "s")
	requireStoreError(t, err, 0)
}

// TestDirNothingKept: a session that was only looked at leaves no file.
func TestDirNothingKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, open(t, journal.Dir{Path: dir}, "s").Close())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	if runtime.GOOS != "windows" { // where a file that is open cannot be removed
		require.Empty(t, entries)
	}
}

func TestDirSessions(t *testing.T) {
	t.Parallel()
	j := journal.Dir{Path: filepath.Join(t.TempDir(), "journal")}
	list := func() (names []string, errs []error) {
		for s, err := range j.List(t.Context(), journal.Filter{}) {
			if err != nil {
				errs = append(errs, err)
			} else {
				names = append(names, s.Session)
			}
		}
		return names, errs
	}
	names, errs := list()
	require.Empty(t, names)
	require.Empty(t, errs)

	for _, name := range []string{"b/é", "a", "a\n", strings.Repeat("x", 5000)} {
		require.NoError(t, open(t, j, name).Append(t.Context(), false, started(1)))
	}
	open(t, j, "only looked at")
	require.NoError(t, os.WriteFile(filepath.Join(j.Path, "notes.txt"), []byte("Dear diary,\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(j.Path, "torn.jsonl"), []byte(`{"journal":"too`), 0o600))
	names, errs = list()
	require.Equal(t, []string{"a", "a\n", "b/é", strings.Repeat("x", 5000)}, names)
	require.Empty(t, errs)

	bad := filepath.Join(j.Path, "bad.jsonl")
	require.NoError(t, os.WriteFile(bad, []byte("Dear diary,\n"), 0o600))
	names, errs = list()
	require.Len(t, names, 4)
	require.Len(t, errs, 1)
	require.EqualError(t, errs[0], "journal: "+bad+": line 1: the checksum does not match")

	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errOver)
	for s, err := range j.List(ended, journal.Filter{}) {
		require.Empty(t, s)
		require.ErrorIs(t, err, errOver)
	}
}

// TestDirProcess: the lock of a process that is killed is free.
func TestDirProcess(t *testing.T) {
	t.Parallel()
	const variable = "JOURNAL_TEST_DIR"
	if dir := os.Getenv(variable); dir != "" { // the other process
		log := open(t, journal.Dir{Path: dir}, "s")
		require.NoError(t, log.Append(t.Context(), true, started(1), started(2)))
		fmt.Println("open")
		select {}
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDirProcess$")
	tied.Tie(cmd)
	cmd.Env = append(os.Environ(), variable+"="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "open\n", line)

	j := journal.Dir{Path: dir}
	_, err = j.Open(t.Context(), "s")
	_, busy := errors.AsType[*journal.BusyError](err)
	require.True(t, busy, "%v", err)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.Equal(t, []event.Event{started(1), started(2)}, read(t, open(t, j, "s")))
}

// TestIdle: 10,000 sessions that were opened and closed hold nothing. It does
// not run beside others.
func TestIdle(t *testing.T) {
	many := 10_000
	if raced { // it takes ten times as long then
		many = 1_000
	}
	j := journal.Dir{Path: t.TempDir()}
	use := func(i int) {
		log := open(t, j, fmt.Sprintf("session %d", i))
		require.NoError(t, log.Append(t.Context(), false, started(1)))
		require.NoError(t, log.Close())
	}
	use(0)
	goroutines, heap := runtime.NumGoroutine(), heapInUse()
	for i := range many {
		use(i + 1)
	}
	grown := int64(heapInUse()) - int64(heap)
	t.Logf("%d sessions: goroutines %+d, heap %+d bytes", many, runtime.NumGoroutine()-goroutines, grown)
	require.LessOrEqual(t, runtime.NumGoroutine(), goroutines)
	require.Less(t, grown, int64(1<<20))
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkAppend appends two events of 200 bytes, as a turn does.
func BenchmarkAppend(b *testing.B) {
	for _, store := range []struct {
		name string
		open func(b *testing.B) journal.Journal
	}{
		{"memory", func(*testing.B) journal.Journal { return new(journal.Memory) }},
		{"files", func(b *testing.B) journal.Journal { return journal.Dir{Path: b.TempDir()} }},
	} {
		for _, sync := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/sync=%t", store.name, sync), func(b *testing.B) {
				log, err := store.open(b).Open(b.Context(), "s")
				require.NoError(b, err)
				defer log.Close()
				e := event.UserMessaged{Message: llm.User(strings.Repeat("x", 100))}
				seq := int64(0)
				for b.Loop() {
					if err := log.Append(b.Context(), sync, event.Event{Seq: seq + 1, Body: e}, event.Event{Seq: seq + 2, Body: e}); err != nil {
						b.Fatal(err)
					}
					seq += 2
				}
				b.ReportMetric(float64(seq)/b.Elapsed().Seconds(), "events/s")
			})
		}
	}
}

// BenchmarkRead opens a session of 10,000 events and reads it.
func BenchmarkRead(b *testing.B) {
	const total = 10_000
	for _, store := range []struct {
		name string
		j    journal.Journal
	}{{"memory", new(journal.Memory)}, {"files", journal.Dir{Path: b.TempDir()}}} {
		log, err := store.j.Open(b.Context(), "s")
		require.NoError(b, err)
		for seq := range int64(total) {
			require.NoError(b, log.Append(b.Context(), false, event.Event{Seq: seq + 1, Body: event.UserMessaged{Message: llm.User(strings.Repeat("x", 100))}}))
		}
		require.NoError(b, log.Close())
		b.Run(store.name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				log, err := store.j.Open(b.Context(), "s")
				if err != nil {
					b.Fatal(err)
				}
				for _, err := range log.Events(b.Context()) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if err := log.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
