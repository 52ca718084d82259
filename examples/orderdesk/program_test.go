package main_test

import (
	"bufio"
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	ossignal "os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/inbox"
	"github.com/seed-916e8f6a/toolloop/internal/tied"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/pgtest"
)

// A program is the built program with a database.
type program struct{ bin, db string }

// A process is a start of the program.
type process struct {
	*exec.Cmd
	lines  *bufio.Scanner // of stdout
	stderr bytes.Buffer
}

// TestProgram starts the program as a user does, and stops it in all ways. Without a
// key, the program works off its own requests.
func TestProgram(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(t.TempDir(), "orderdesk")
	if runtime.GOOS == "windows" {
		bin += ".exe"
	}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)

	approved := program{bin, newDB(t)}
	approved.work(t)
	paused := approved.ids(t, inbox.Paused)
	require.NotEmpty(t, paused)
	require.NotEmpty(t, approved.ids(t, inbox.Done))
	for _, id := range paused {
		approved.do(t, "approve", id)
	}
	approved.work(t)
	approved.requireDone(t)
	want := approved.export(t)

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, program{bin, newDB(t)}, want)
		})
	}
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		testTwoAtOnce(t, program{bin, pgtest.Database(t)}, want)
		testKilled(t, program{bin, pgtest.Database(t)}, want)
	})
	t.Run("three processes", func(t *testing.T) {
		t.Parallel()
		testThreeKilled(t, bin, want)
	})
}

// tests are the tests of the program. Each has a new database, and the data of a
// database in which all calls were approved.
var tests = map[string]func(*testing.T, program, *desk.Data){
	"denied": testDenied, "interrupted": testInterrupted, "killed": testKilled, "two at once": testTwoAtOnce,
	"decided meanwhile": testDecidedMeanwhile, "show and list": testShow, "own requests": testOwnRequests, "wrong": testWrong,
	"unheard": testUnheard, "told": testTold, "no provider": testNoProvider, "no database": testNoDatabase, "at a terminal": testTerminal,
}

func newDB(t *testing.T) string { return filepath.Join(t.TempDir(), "desk.db") }

// command returns a start of the program without the provider of the user.
func (p program) command(t *testing.T, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), p.bin, append([]string{"-db", p.db, "-lease", "1s"}, args...)...)
	tied.Tie(cmd)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "OPENAI_") })
	return cmd
}

func (p program) start(t *testing.T, stdin io.Reader, args ...string) *process {
	t.Helper()
	cmd := p.command(t, args...)
	s := &process{Cmd: cmd}
	cmd.Stdin, cmd.Stderr = stdin, &s.stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	s.lines = bufio.NewScanner(stdout)
	require.NoError(t, cmd.Start())
	return s
}

// until reads lines up to the n-th line with a text.
func (s *process) until(t *testing.T, n int, what string) {
	t.Helper()
	for n > 0 {
		require.True(t, s.lines.Scan(), "it ended: %s", &s.stderr)
		if strings.Contains(s.lines.Text(), what) {
			n--
		}
	}
}

// end reads the rest of the output.
func (s *process) end() (lines []string, status int) {
	for s.lines.Scan() {
		lines = append(lines, s.lines.Text())
	}
	_ = s.Wait() // only the status matters
	return lines, s.ProcessState.ExitCode()
}

// do runs the program to a successful end.
func (p program) do(t *testing.T, args ...string) []string {
	t.Helper()
	s := p.start(t, nil, args...)
	lines, status := s.end()
	require.Zero(t, status, "%s", &s.stderr)
	return lines
}

func (p program) work(t *testing.T) []string { return p.do(t, "-pause", "0", "work") }

// ids returns the requests in a state by the command list.
func (p program) ids(t *testing.T, state inbox.State) (ids []string) {
	t.Helper()
	for _, line := range p.list(t) {
		if f := strings.Fields(line); inbox.State(f[1]) == state {
			ids = append(ids, f[0])
		}
	}
	return ids
}

// list returns a line for each request.
func (p program) list(t *testing.T) []string {
	t.Helper()
	lines := p.do(t, "list")
	require.Equal(t, "  ID  STATE    TOKENS  REQUEST", lines[0])
	return lines[1:]
}

// approveAll approves the waiting calls, and works off the rest.
func (p program) approveAll(t *testing.T) {
	t.Helper()
	for _, id := range p.ids(t, inbox.Paused) {
		p.do(t, "approve", id)
	}
	p.work(t)
	p.requireDone(t)
}

// requireDone: each request has its answer, and was sent once.
func (p program) requireDone(t *testing.T) {
	t.Helper()
	d := openDesk(t, p.db)
	q, err := inbox.Open(t.Context(), d.Journal())
	require.NoError(t, err)
	all, err := q.List(t.Context())
	require.NoError(t, err)
	for _, r := range all {
		require.Equal(t, inbox.Done, r.State, "%+v", r)
		require.NotEmpty(t, r.Note)
		events, err := q.Events(t.Context(), r)
		require.NoError(t, err)
		said := 0
		for _, e := range events {
			if _, is := e.Body.(event.UserMessaged); is {
				said++
			}
		}
		require.Equal(t, 1, said, "%+v", r)
	}
}

func (p program) export(t *testing.T) *desk.Data {
	t.Helper()
	data, err := openDesk(t, p.db).Export(t.Context())
	require.NoError(t, err)
	return data
}

// testDenied: denied calls have no effect, and their requests are done.
func testDenied(t *testing.T, p program, approved *desk.Data) {
	p.work(t)
	before := p.export(t)
	for _, id := range p.ids(t, inbox.Paused) {
		lines := p.do(t, "deny", id, "it", "is too", "late")
		require.Regexp(t, `^denied: \[r1\.t\d+\.c\d+\] \w+ \{`, lines[0])
	}
	id := "2"
	require.Equal(t, "decided", strings.Fields(p.list(t)[1])[1])
	shown := p.do(t, "show", id)
	require.Regexp(t, `^Request 2 is decided, after`, shown[0])
	require.Regexp(t, `^\[r1\.t\d+\.c0\] denied \(it is too late\) already$`, shown[len(shown)-3])
	p.wrong(t, 1, "orderdesk: request 2 was denied already; a worker goes on with it\n", "approve", id)
	lines := p.work(t)
	p.requireDone(t)
	require.Equal(t, before, p.export(t))
	require.NotEqual(t, approved, before)
	require.Equal(t, "0 paused, 0 failed.", regexp.MustCompile(`^\d+ done, `).ReplaceAllString(lastOf(lines), ""))
}

// longPause is for a process that the test stops: it must not finish before, however
// slow the test is.
const longPause = "150ms"

// testInterrupted: the next start continues, and the final data is the same as
// without an interrupt.
func testInterrupted(t *testing.T, p program, want *desk.Data) {
	skipWithoutSignals(t)
	for calls, signal := range map[int]os.Signal{1: os.Interrupt, 3: syscall.SIGHUP} { // ^C, and the end of the terminal
		if ossignal.Ignored(signal) { // the tests run under nohup, and so does the program
			continue
		}
		s := p.start(t, nil, "-pause", longPause, "-workers", "3")
		s.until(t, calls, "  calls  ")
		require.NoError(t, s.Process.Signal(signal))
		lines, status := s.end()
		require.Equal(t, 130, status, lines)
		require.Equal(t, "orderdesk: interrupted\n", lastLine(s.stderr.String()))
		require.Contains(t, lines, "stopping after the calls that run; ^C again: at once")
		require.Contains(t, lastOf(lines), p.bin+" -db ")
		require.Empty(t, p.ids(t, inbox.Running))
	}
	testNohup(t, p)
	p.work(t)
	p.approveAll(t)
	require.Equal(t, want, p.export(t))
}

// testNohup: under nohup, the end of the terminal does not stop the program.
func testNohup(t *testing.T, p program) {
	t.Helper()
	cmd := p.command(t, "-pause", longPause)
	cmd.Args = append([]string{"sh", "-c", `trap '' HUP; exec "$@"`, "sh"}, cmd.Args...)
	sh, err := exec.LookPath("sh")
	require.NoError(t, err)
	cmd.Path = sh
	s := &process{Cmd: cmd}
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	s.lines = bufio.NewScanner(stdout)
	require.NoError(t, cmd.Start())
	s.until(t, 1, "  calls  ")
	require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
	lines, status := s.end()
	require.Zero(t, status, lines)
}

func skipWithoutSignals(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("no process can be interrupted from outside")
	}
}

func lastLine(text string) string {
	return lastOf(strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")) + "\n"
}

// testKilled: the next start also continues after a kill.
func testKilled(t *testing.T, p program, want *desk.Data) {
	for _, calls := range []int{1, 4} {
		s := p.start(t, nil, "-pause", longPause, "-workers", "3")
		s.until(t, calls, "  calls  ")
		require.NoError(t, s.Process.Kill())
		s.end()
		require.NotEmpty(t, p.ids(t, inbox.Running), "as they were")
	}
	p.work(t)
	p.approveAll(t)
	require.Equal(t, want, p.export(t))
}

// testTwoAtOnce: two processes share the work.
func testTwoAtOnce(t *testing.T, p program, want *desk.Data) {
	var both []*process
	for range 2 {
		both = append(both, p.start(t, nil, "-pause", "10ms"))
	}
	ended := map[string]int{}
	for _, s := range both {
		lines, status := s.end()
		require.Zero(t, status, "%s", &s.stderr)
		for _, line := range lines {
			if f := strings.Fields(line); len(f) > 1 && (f[1] == "done" || f[1] == "paused") {
				if _, err := strconv.Atoi(f[0]); err == nil {
					ended[f[0]]++
				}
			}
		}
	}
	for _, line := range p.list(t) {
		require.Equal(t, 1, ended[strings.Fields(line)[0]], line)
	}
	p.approveAll(t)
	require.Equal(t, want, p.export(t))
}

// testDecidedMeanwhile: a running process continues requests that another process
// has decided.
func testDecidedMeanwhile(t *testing.T, p program, want *desk.Data) {
	p.work(t)
	paused := p.ids(t, inbox.Paused)
	s := p.start(t, nil, "-watch")
	var deciding sync.WaitGroup
	deciding.Go(func() {
		for _, id := range paused {
			p.do(t, "approve", id)
		}
	})
	s.until(t, len(paused), "  done  ")
	deciding.Wait()
	require.NoError(t, s.Process.Kill()) // the process waits for more requests
	s.end()
	p.requireDone(t)
	require.Equal(t, want, p.export(t))
}

// testShow: the state, the conversation, and the next commands of a request.
func testShow(t *testing.T, p program, _ *desk.Data) {
	lines := strings.Join(p.work(t), "\n")
	id := p.ids(t, inbox.Paused)[0]
	require.Contains(t, lines, "\n  "+p.bin+" -db "+p.db+" approve "+id+"\n")
	shown := strings.Join(p.do(t, "show", id), "\n")
	require.Regexp(t, `(?s)^Request `+id+` is paused, after \d+ tokens\.

> .*
\[r1\.t1\.c0\] \w+ \{.*
\[r1\.t1\.c0\] = .*
\[r1\.t\d+\.c\d\] \w+ needs approval: \{.*\}
.*
Request `+id+` is paused: .*
  \d+\.\d\d  \[r1\.t\d+\.c\d\] \w+ \{.*\}
  .* approve `+id+`
  .* deny `+id+` "the reason"$`, shown)
}

// testOwnRequests: without a key, other requests fail with advice, and can be
// retried with a key.
func testOwnRequests(t *testing.T, p program, _ *desk.Data) {
	p.work(t)
	before := len(p.list(t))
	one, two := strconv.Itoa(before+1), strconv.Itoa(before+2)
	require.Equal(t, []string{fmt.Sprintf("%4s  Who are you?", one)}, p.do(t, "add", "Who", "are", "you?"))
	s := p.start(t, strings.NewReader("\n Are you sure? \n\n"), "add", "-")
	lines, status := s.end()
	require.Zero(t, status)
	require.Equal(t, []string{fmt.Sprintf("%4s  Are you sure?", two)}, lines)
	p.work(t)
	require.Equal(t, []string{one, two}, p.ids(t, inbox.Failed))
	require.Contains(t, strings.Join(p.do(t, "show", one), "\n"), "OPENAI_API_KEY")
	p.wrong(t, 1, "orderdesk: there is no request 99\n", "retry", two, "99")
	p.do(t, "retry", two)
	require.Equal(t, []string{two}, p.ids(t, inbox.Waiting))
	p.do(t, "retry")
	require.Equal(t, []string{one, two}, p.ids(t, inbox.Waiting))
	p.wrong(t, 1, "orderdesk: no request has failed: there is nothing to try again\n", "retry")
}

// testUnheard: when the reader of the output is gone, the program stops in order, as
// after ^C.
func testUnheard(t *testing.T, p program, want *desk.Data) {
	skipWithoutSignals(t)
	s := p.command(t, "-pause", longPause, "-workers", "3")
	read, write, err := os.Pipe()
	require.NoError(t, err)
	s.Stdout = write
	require.NoError(t, s.Start())
	require.NoError(t, write.Close())
	out := bufio.NewScanner(read)
	for out.Scan() && !strings.Contains(out.Text(), "  calls  ") {
	}
	require.NoError(t, read.Close())
	_ = s.Wait() // only the status matters
	require.Equal(t, 130, s.ProcessState.ExitCode(), s.ProcessState)
	require.Empty(t, p.ids(t, inbox.Running))
	p.work(t)
	p.approveAll(t)
	require.Equal(t, want, p.export(t))
}

// testTold: with -watch, the program prints the commands when a request is paused.
func testTold(t *testing.T, p program, _ *desk.Data) {
	s := p.start(t, nil, "-pause", "0", "-watch")
	s.until(t, 1, "request 2 needs a decision about 249.00:")
	s.until(t, 1, p.bin+" -db "+p.db+" approve 2")
	s.until(t, 1, p.bin+" -db "+p.db+` deny 2 "the reason"`)
	require.NoError(t, s.Process.Kill()) // the process waits for more requests
	s.end()
}

// testNoProvider: with an unreachable provider, some requests fail, but not all.
func testNoProvider(t *testing.T, p program, want *desk.Data) {
	closed := httptest.NewServer(nil)
	closed.Close()
	s := p.start(t, nil, "-base-url", closed.URL)
	lines, status := s.end()
	require.Equal(t, 1, status)
	require.Regexp(t, `^orderdesk: 4 requests in a row could not ask the model; those that are left wait: `, s.stderr.String())
	require.Contains(t, strings.Join(lines, "\n"), " retry ")
	require.GreaterOrEqual(t, len(p.ids(t, inbox.Failed)), 4)
	require.GreaterOrEqual(t, len(p.ids(t, inbox.Waiting)), 5)
	p.do(t, "retry")
	p.work(t)
	p.approveAll(t)
	require.Equal(t, want, p.export(t))
}

// testNoDatabase: only work and add create a database. The error about an unusable
// database has the reason, without a password.
func testNoDatabase(t *testing.T, p program, _ *desk.Data) {
	for _, args := range [][]string{{"list"}, {"show", "1"}, {"approve", "1"}, {"deny", "1"}, {"retry"}} {
		p.wrong(t, 1, "orderdesk: "+p.db+": the database does not exist; work and add create it\n", args...)
		require.NoFileExists(t, p.db)
	}
	require.NoError(t, os.WriteFile(p.db, bytes.Repeat([]byte("no database "), 1000), 0o600))
	p.wrong(t, 1, "orderdesk: "+p.db+": the file is not an SQLite database\n", "list")
	inFile := filepath.Join(p.db, "desk.db")
	p.wrong(t, 1, "orderdesk: "+inFile+": ", "-db", inFile, "work")
	p.wrong(t, 1, "orderdesk: "+filepath.Dir(p.db)+": desk: it is a directory\n", "-db", filepath.Dir(p.db), "work")
	p.db = filepath.Join(t.TempDir(), "theirs.db")
	require.NoError(t, os.WriteFile(p.db, nil, 0o600))
	p.wrong(t, 1, "orderdesk: "+p.db+": the database does not exist; work and add create it\n", "list")
	db, err := sql.Open("sqlite", p.db)
	require.NoError(t, err)
	execute(t, db, `CREATE TABLE theirs (a)`)
	require.NoError(t, db.Close())
	before, err := os.ReadFile(p.db)
	require.NoError(t, err)
	for _, command := range []string{"list", "work"} {
		p.wrong(t, 1, "orderdesk: "+p.db+": desk: it has tables of others, such as theirs, and a desk wants a database of its own\n", command)
	}
	after, err := os.ReadFile(p.db)
	require.NoError(t, err)
	require.Equal(t, before, after, "it is left as it is")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	at := l.Addr().String()
	require.NoError(t, l.Close())
	p.db = "postgres://clerk:secret@" + at + "/desk"
	p.wrong(t, 1, "orderdesk: postgres://clerk:xxxxx@"+at+"/desk: no server responds at "+at+": ", "work")
}

// wrong runs the program to an unsuccessful end.
func (p program) wrong(t *testing.T, status int, want string, args ...string) {
	t.Helper()
	s := p.start(t, nil, args...)
	_, got := s.end()
	require.Equal(t, status, got, args)
	said := s.stderr.String()
	require.Equal(t, 1, strings.Count(said, "\n"), said)
	require.True(t, strings.HasPrefix(said, want), said)
}

// testWrong: the status is 2 after a wrong command line, and 1 after other errors.
// Each error is one line with advice.
func testWrong(t *testing.T, p program, _ *desk.Data) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"tidy"}, "there is no command \"tidy\""},
		{[]string{"show"}, "usage: orderdesk show ID"},
		{[]string{"approve"}, "usage: orderdesk approve ID [CALL]"},
		{[]string{"deny"}, "usage: orderdesk deny ID [CALL] [REASON]"},
		{[]string{"add", " "}, "add: the text is missing"},
		{[]string{"-lease", "-5s"}, "-lease -5s: it must be 1s or more"},
		{[]string{"work", "-lease", "0"}, "-lease 0s: it must be 1s or more"},
		{[]string{"-workers", "0"}, "-workers 0: at least 1 is required"},
		{[]string{"-pause", "-1s"}, "-pause -1s: it cannot be negative"},
		{[]string{"-load", "0"}, "-load 0: at least 1 is required"},
		{[]string{"-load", "-3"}, "-load -3: at least 1 is required"},
		{[]string{"-db", ""}, "-db \"\" names no database"},
		{[]string{"-dv", "x"}, "flag provided but not defined: -dv"},
	} {
		p.wrong(t, 2, "orderdesk: "+tt.want+" (-h for all)\n", tt.args...)
		require.NoFileExists(t, p.db)
	}
	require.Equal(t, "usage: orderdesk [flags] [command]", p.do(t, "help")[0])
	require.Equal(t, p.do(t, "help"), p.do(t, "show", "-h"))
	require.NoFileExists(t, p.db)

	p.do(t, "add", "Who are you?")
	p.wrong(t, 1, "orderdesk: there is no request 99\n", "approve", "99")
	p.wrong(t, 1, "orderdesk: \"x\" is not the number of a request\n", "show", "x")
	p.wrong(t, 1, "orderdesk: request 1 is waiting: there is nothing to decide\n", "approve", "1")
	p.wrong(t, 1, "orderdesk: \"worn\" is not a call; the name of a call looks like r1.t3.c0\n", "approve", "1", "worn")
	p.work(t)
	p.wrong(t, 1, "orderdesk: request 2 does not ask about call r9.t1.c0\n", "deny", "2", "r9.t1.c0", "worn")
	for _, typo := range []string{"r1.t3.co", "r1.t3", "R1.T3.C0", "--force"} {
		p.wrong(t, 1, fmt.Sprintf("orderdesk: %q is neither a call nor a reason; the name of a call looks like r1.t3.c0\n", typo), "deny", "2", typo)
	}
	p.wrong(t, 1, "orderdesk: request 14 has failed: there is nothing to decide\n", "deny", "14", "249.00", "is", "too", "much")
	p.wrong(t, 1, "orderdesk: request 14 has failed: there is nothing to decide\n", "deny", "14")
}
