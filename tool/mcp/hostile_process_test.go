package mcp_test

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

const (
	foeVariable  = "TOOLLOOP_MCP_TEST_FOE"
	markVariable = "TOOLLOOP_MCP_TEST_MARK" // tells the processes of one test from others
	foeSecret    = "hunter2-hunter2"
)

// serveFoe runs a hostile server on standard input and output.
func serveFoe(name string) {
	f := &foe{in: bufio.NewReader(os.Stdin), out: os.Stdout, log: os.Stderr, end: func() { os.Exit(3) }, hang: func() { <-time.After(time.Hour) }}
	do, isLate := processFoes()[name], strings.HasSuffix(name, "at close")
	if do == nil {
		do = largeFoes()[name]
	}
	if line, ok := strings.CutPrefix(name, "says "); ok {
		do = saidAt(line)
	}
	if do == nil {
		do = polite
	}
	if begin := beginnings()[name]; begin != nil {
		begin(f)
	}
	if isLate {
		signal.Ignore(syscall.SIGTERM)
	}
	f.serve(do)
	if isLate {
		f.hang()
	}
}

// beginnings run before a foe reads its input.
func beginnings() map[string]func(*foe) {
	flood := func(f *foe, text string) {
		for {
			if _, err := f.out.Write([]byte(text)); err != nil {
				os.Exit(0)
			}
		}
	}
	return map[string]func(*foe){
		"noise": func(f *foe) {
			f.say("\xEF\xBB\xBFServer v1\r\n\r\n\n{\"no\":\"rpc\"}\n[1,2]\n[]\nnull\n{broken\n\x1b[2J\u202e\n" + strings.Repeat("[", 100_000))
		},
		"noise for ever":                func(f *foe) { flood(f, "noise\n") },
		"noise without an end":          func(f *foe) { flood(f, strings.Repeat("noise", 1000)) },
		"zero bytes":                    func(f *foe) { flood(f, strings.Repeat("\x00", 5000)) },
		"blanks for ever":               func(f *foe) { flood(f, strings.Repeat(" ", 5000)) },
		"nothing to say":                func(*foe) { _ = os.Stdout.Close(); <-time.After(time.Hour) },
		"crash at once":                 func(f *foe) { fmt.Fprintln(f.log, "no \x1b[2Jkey "+foeSecret); f.end() },
		"hang at once":                  func(f *foe) { f.hang() },
		"stopped":                       func(f *foe) { stopped(); f.hang() },
		"dead with a grandchild":        func(f *foe) { grandchild(); f.end() },
		"a grandchild that stays":       func(*foe) { grandchild() },
		"a flood of errors":             func(f *foe) { _, _ = f.log.Write([]byte(strings.Repeat("\x1b[2Jerror "+foeSecret+"\n", 400_000))) },
		"a flood of errors in one line": func(f *foe) { _, _ = f.log.Write([]byte(strings.Repeat("error", 2_000_000))) },
	}
}

// grandchild is a process that keeps our standard output and error open.
func grandchild() {
	child := exec.CommandContext(context.Background(), "sleep", "600")
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	_ = child.Start()
}

// processFoes are misdeeds of processes.
func processFoes() map[string]misdeed {
	foes := map[string]misdeed{
		"noise": func(f *foe, h heard) bool {
			f.say("\r\n\xEF\xBB\xBFgot %s\r\n{\"jsonrpc\":\"2.0\"}\r", h.Method)
			return false
		},
		"closes its output": at("tools/call", func(f *foe, _ heard) { _ = os.Stdout.Close(); f.hang() }),
		"half a line": at("tools/call", func(f *foe, h heard) {
			_, _ = fmt.Fprintf(f.out, `{"jsonrpc":"2.0","id":%s,"result":{"content":[`, h.ID)
			f.end()
		}),
		"killed": at("tools/call", func(f *foe, _ heard) {
			self, _ := os.FindProcess(os.Getpid())
			_ = self.Kill()
			f.hang()
		}),
		"dead in a call with a grandchild": at("tools/call", func(f *foe, _ heard) {
			grandchild()
			fmt.Fprintln(f.log, "out of cheese, "+foeSecret)
			f.end()
		}),
		"secrets in errors":    at("tools/list", func(f *foe, h heard) { f.refuse(h, -32000, "not with "+foeSecret+"\x1b[2J") }),
		"secrets in an answer": at("tools/call", func(f *foe, h heard) { f.refuse(h, -32000, "not with "+foeSecret) }),
		"deaf": at("tools/call", func(f *foe, h heard) {
			for i := range 100_000 {
				f.say(`{"jsonrpc":"2.0","id":"q%d","method":"ping"}`, i)
			}
			f.answer(h, worked)
			f.hang()
		}),
		"talks at close": at("tools/call", func(f *foe, h heard) {
			f.answer(h, worked)
			go func() {
				for {
					f.say("noise")
				}
			}()
		}),
	}
	for name, do := range phases(func(f *foe, _ heard) { f.hang() }) {
		foes["hang in "+name] = do
	}
	for name, do := range phases(func(f *foe, _ heard) { f.end() }) {
		foes["crash in "+name] = do
	}
	return foes
}

// TestHostileProcesses: whatever a process does, the run ends, and the process and its
// children end, too.
func TestHostileProcesses(t *testing.T) {
	t.Parallel()
	const (
		lost    = noTool + "|unknown_tool"
		doubted = inDoubt + "|outcome_unknown"
		late    = "The tool did not finish within 500ms and was given up. It may have had an effect all the same: check before you call it again.|timed_out"
		away    = unreachable + "|failed"
		ended   = `toolset "evil": the server's process ended: exit status 3`
		hangs   = `toolset "evil": the server was not ready within 1s`
	)
	wants := map[string]struct{ evil, notices string }{
		"noise":                            {isWorked, ""},
		"noise for ever":                   {lost, hangs},
		"noise without an end":             {lost, `toolset "evil": a message of the server has more than 1048576 bytes`},
		"zero bytes":                       {lost, `toolset "evil": a message of the server has more than 1048576 bytes`},
		"blanks for ever":                  {lost, `toolset "evil": a message of the server has more than 1048576 bytes`},
		"nothing to say":                   {lost, `toolset "evil": the server closed its standard output`},
		"crash at once":                    {lost, ended + "; its standard error ended with: no [2Jkey [redacted]"},
		"hang at once":                     {lost, hangs},
		"stopped":                          {lost, hangs},
		"dead with a grandchild":           {lost, ended},
		"a grandchild that stays":          {isWorked, ""},
		"a flood of errors":                {isWorked, ""},
		"a flood of errors in one line":    {isWorked, ""},
		"closes its output":                {doubted, ""},
		"half a line":                      {doubted, ""},
		"killed":                           {doubted, ""},
		"dead in a call with a grandchild": {doubted, ""},
		"secrets in errors":                {lost, `toolset "evil": calling "tools/list": not with [redacted][2J`},
		"secrets in an answer":             {"not with [redacted]|failed", ""},
		"deaf":                             {doubted, ""},
		"talks at close":                   {isWorked, ""},
		"hang in discover":                 {lost, hangs},
		"hang in initialize":               {lost, hangs},
		"hang in initialized":              {lost, hangs},
		"hang in page 1":                   {lost, hangs},
		"hang in page 2":                   {late, `toolset "evil": the server was not ready within 4s`},
		"hang in call":                     {late, ""},
		"hang in progress":                 {late, ""},
		"hang at close":                    {isWorked, ""},
		"crash in discover":                {isWorked, ""},
		"crash in initialize":              {lost, ended},
		"crash in initialized":             {lost, ended},
		"crash in page 1":                  {lost, ended},
		"crash in page 2":                  {away, ended},
		"crash in call":                    {doubted, ""},
		"crash in progress":                {doubted, ""},
	}
	for _, name := range slices.Collect(maps.Keys(processFoes())) {
		require.Contains(t, wants, name)
	}
	all := map[string]func(*testing.T){}
	for name, want := range wants {
		all[name] = func(t *testing.T) {
			server := foeProcess(t, name)
			server.MaxMessage = 1 << 20
			server.Options = func(mcp.Definition) []tool.Option {
				if strings.HasSuffix(want.evil, "timed_out") {
					return []tool.Option{tool.Timeout(500 * time.Millisecond)}
				}
				return nil
			}
			if _, text, found := strings.Cut(want.notices, "not ready within "); found {
				server.StartTimeout, _ = time.ParseDuration(text)
			}
			out, all := outcome{}, told{}
			leavesNothing(t, func() { out, all = stage{server: server}.play(t) })
			expected := outcome{Notices: want.notices}
			expected.Evil, expected.Failure, _ = strings.Cut(want.evil, "|")
			if strings.HasPrefix(name, "crash") { // it depends on what the SDK saw first
				lines := strings.Split(strings.ReplaceAll(out.Notices, `calling "tools/list": `, ""), "\n")
				out.Notices = strings.Join(slices.Compact(lines), "\n")
			}
			require.Equal(t, expected, out)
			require.Less(t, all.took, 30*time.Second)
			require.NotContains(t, all.everything(t), foeSecret)
			require.Less(t, len(all.log), 1<<20)
			requireClean(t, all.log+all.events)
		}
	}
	runWaiting(t, all)
}

// runWaiting runs tests that mostly wait, more of them at once than there are
// processors.
func runWaiting(t *testing.T, tests map[string]func(*testing.T)) {
	t.Helper()
	places := make(chan struct{}, 12)
	var wg sync.WaitGroup
	for name, test := range tests {
		wg.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			t.Run(name, test)
		})
	}
	wg.Wait()
}

// foeProcess starts this program as a hostile server.
func foeProcess(t *testing.T, name string) mcp.Server {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	return mcp.Server{Command: []string{exe}, Env: map[string]string{foeVariable: name, markVariable: markOf(t), "SECRET": foeSecret}}
}

// leavesNothing calls play, and fails the test if a process or a goroutine of play is
// left.
func leavesNothing(t *testing.T, play func()) {
	t.Helper()
	pprof.Do(t.Context(), pprof.Labels("test", t.Name()), func(context.Context) { play() })
	left := func() string { return processesOf(markOf(t)) + goroutinesOf(t) }
	if left() != "" { // the last of them are about to end
		require.Eventually(t, func() bool { return left() == "" }, 20*time.Second, 200*time.Millisecond, left())
	}
}

// markOf returns a mark for the processes of a test. No other running test has it.
func markOf(t *testing.T) string { return fmt.Sprint(t.Name(), " of ", os.Getpid()) }

// goroutinesOf returns the stacks of the goroutines of a test, by their label.
func goroutinesOf(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, pprof.Lookup("goroutine").WriteTo(&b, 1))
	var left []string
	for _, one := range strings.Split(b.String(), "\n\n") {
		if strings.Contains(one, fmt.Sprintf("%q:%q", "test", t.Name())) {
			left = append(left, one)
		}
	}
	return strings.Join(left, "\n\n")
}
