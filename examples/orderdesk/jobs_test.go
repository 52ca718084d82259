// Package main_test replays the jobs of an outside benchmark, each with a new
// database, through all parts of the program: the runner, the client over HTTP, the
// tools and the journal. The benchmark defines the right results.
package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestJobs replays all jobs in each variant. It prints a line for each variant.
func TestJobs(t *testing.T) {
	s := newSuite(t)
	each := func(replay func(*testing.T, job)) func(*testing.T) func(*testing.T, job) {
		return func(*testing.T) func(*testing.T, job) { return replay }
	}
	s.variant(t, "plain", each(func(t *testing.T, j job) {
		d := s.replay(t, j, oneByOne(j), runs)
		if j.line%5 == 1 { // compares also the untouched objects
			requireChanges(t, j.DBChanges, s.changedOfAll(t, d))
		}
	}))
	s.variant(t, "stream", each(func(t *testing.T, j job) { s.replay(t, j, oneByOne(j), streams) }))
	s.variant(t, "parallel", each(func(t *testing.T, j job) { s.replay(t, j, together(j), runs) }))
	s.variant(t, "invalid", each(func(t *testing.T, j job) { s.replay(t, j, spoilt(t, j), runs) }))
	s.many(t)
	s.variant(t, "crash-sqlite", s.crashSQLite)
	s.variant(t, "crash-postgres", s.crashPostgres)
}

// A suite is shared by the jobs.
type suite struct {
	jobs   []job
	start  *desk.Data // the database before each job
	before changes    // the same as objects
	sqlite []byte     // the same as a file
}

func newSuite(t *testing.T) *suite {
	t.Helper()
	dir := sharedDir(t)
	s := &suite{jobs: readJobs(t, dir), start: readData(t, dir)}
	if raced { // the database is much slower with the race detector, and has no races to find
		s.jobs = every(s.jobs, 15)
	}
	path := filepath.Join(t.TempDir(), "start.db")
	d, err := desk.Open(t.Context(), unsynced(path))
	require.NoError(t, err)
	require.NoError(t, d.Import(t.Context(), s.start))
	requireSame(t, dir, d)
	s.before = objectsOf(t, s.start)
	watch(t, d)
	require.NoError(t, d.Close())
	s.sqlite, err = os.ReadFile(path)
	require.NoError(t, err)
	return s
}

// every returns each n-th job, from the first job on.
func every(jobs []job, n int) (some []job) {
	for i := 0; i < len(jobs); i += n {
		some = append(some, jobs[i])
	}
	return some
}

// requireSame: the desk has the data of the files.
func requireSame(t *testing.T, dir string, d *desk.Desk) {
	t.Helper()
	end, err := d.Export(t.Context())
	require.NoError(t, err)
	for file, got := range map[string]any{"users": end.Users, "products": end.Products, "orders": end.Orders} {
		var want any
		require.NoError(t, json.Unmarshal(readFile(t, dir, file), &want))
		require.True(t, same(want, asJSON(t, got)), file)
	}
}

// unsynced returns an SQLite file that survives the process, but not a power
// failure.
func unsynced(path string) string {
	query := url.Values{
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(OFF)", "foreign_keys(ON)"},
		"_txlock": {"immediate"},
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + query.Encode()
}

// variant replays each job as one test, and counts the right results.
func (s *suite) variant(t *testing.T, name string, ready func(*testing.T) func(*testing.T, job)) {
	var ran, right atomic.Int32
	t.Run(name, func(t *testing.T) {
		replay := ready(t)
		for _, j := range s.jobs {
			t.Run(fmt.Sprintf("line %d", j.line), func(t *testing.T) {
				t.Parallel()
				ran.Add(1)
				replay(t, j)
				right.Add(1)
			})
		}
	})
	s.tell(name, ran.Load(), right.Load())
}

// many runs 32 jobs at the same time: the first answer comes after all jobs have
// asked.
func (s *suite) many(t *testing.T) {
	var ran, right atomic.Int32
	t.Run("many", func(t *testing.T) {
		for batch := range slices.Chunk(s.jobs, 32) {
			var asked, done sync.WaitGroup
			asked.Add(len(batch))
			for _, j := range batch {
				done.Go(func() {
					arrive := sync.OnceFunc(asked.Done)
					defer arrive() // for a job that fails before
					t.Run(fmt.Sprintf("line %d", j.line), func(t *testing.T) {
						ran.Add(1)
						turns := oneByOne(j)
						turns[0].before = func() { arrive(); asked.Wait() }
						s.replay(t, j, turns, runs)
						right.Add(1)
					})
				})
			}
			done.Wait()
		}
	})
	s.tell("many", ran.Load(), right.Load())
}

// tell prints the line of a variant, unless -run excludes it.
func (s *suite) tell(variant string, ran, right int32) {
	if ran > 0 {
		fmt.Printf("orderdesk: %d of %d jobs (%s)\n", right, len(s.jobs), variant)
	}
}

// A turn is an answer of the scripted model: calls, or a text in the last turn.
type turn struct {
	calls  []planned
	text   string
	before func() // runs before the answer
}

// A planned is a call with its expected result.
type planned struct {
	call
	bad  string // the kind of mistake in the call, which must not run
	hint string // the text that the model must read about the mistake
}

// oneByOne puts each call into a separate turn.
func oneByOne(j job) (turns []turn) {
	for _, c := range j.Calls {
		turns = append(turns, turn{calls: []planned{{call: c}}})
	}
	return append(turns, last(j))
}

// together puts the reads between two changes into one turn.
func together(j job) (turns []turn) {
	var reads []planned
	for _, c := range j.Calls {
		if !changing[c.Name] {
			reads = append(reads, planned{call: c})
			continue
		}
		if reads != nil {
			turns = append(turns, turn{calls: reads})
		}
		turns, reads = append(turns, turn{calls: []planned{{call: c}}}), nil
	}
	if reads != nil {
		turns = append(turns, turn{calls: reads})
	}
	return append(turns, last(j))
}

func last(j job) turn {
	if len(j.Outputs) == 0 {
		return turn{text: "That is all there is to do."}
	}
	return turn{text: "You asked for this: " + strings.Join(j.Outputs, "; ") + "."}
}

// step returns the turn for the script.
func (u turn) step() llmtest.Step {
	step := llmtest.Text(u.text)
	if u.calls != nil {
		step = llmtest.Calls(u.calls[0].Name, u.calls[0].Arguments)
		for _, c := range u.calls[1:] {
			step = step.And(llmtest.Calls(c.Name, c.Arguments))
		}
	}
	if u.before == nil {
		return step
	}
	return llmtest.Reply(func(context.Context, *llm.Request) (*llm.Response, error) {
		u.before()
		return step.Response()
	})
}

// work runs a session, and returns its final text and its durable events.
type work func(ctx context.Context, s *runner.Session, d *desk.Desk, in ...runner.Input) (string, []event.Event, error)

// runs is work with Run.
func runs(ctx context.Context, s *runner.Session, d *desk.Desk, in ...runner.Input) (string, []event.Event, error) {
	result, err := s.Run(ctx, d.Agent(nil), in...)
	return result.Text, result.Events, err
}

// streams is work with Stream. The text is the visible text at the end.
func streams(ctx context.Context, s *runner.Session, d *desk.Desk, in ...runner.Input) (text string, durable []event.Event, err error) {
	for e, err := range s.Stream(ctx, d.Agent(nil), in...) {
		if err != nil {
			return "", nil, err
		}
		if e.Seq > 0 {
			durable = append(durable, e)
		}
		switch b := e.Body.(type) {
		case event.TurnPrepared:
			text = ""
		case event.TextDelta:
			text += b.Text
		}
	}
	return text, durable, nil
}

// replay runs a job by a script and compares all results with the benchmark. It
// returns the desk, which is open until the end of the test.
func (s *suite) replay(t *testing.T, j job, turns []turn, work work) *desk.Desk {
	d := openDesk(t, s.copySQLite(t))

	var steps []llmtest.Step
	for _, u := range turns {
		steps = append(steps, u.step())
	}
	script := llmtest.Script(t, steps...)
	session := approving(d, script.Serve().BaseURL).Session("job")
	text, events, err := work(t.Context(), session, d, runner.Say(request))
	require.NoError(t, err)

	kept := journalOf(t, d)
	require.Equal(t, asJSON(t, events), asJSON(t, kept))
	s.requireRight(t, j, turns, outcome{d, text, lastOf(script.Requests()), kept})
	return d
}

// An outcome is the result of a job.
type outcome struct {
	desk   *desk.Desk
	text   string      // the text of the result
	asked  llm.Request // the last request
	events []event.Event
}

// requireRight compares the result of a job with the benchmark.
func (s *suite) requireRight(t *testing.T, j job, turns []turn, o outcome) {
	t.Helper()
	requireText(t, j, turns, o.text)
	requireResults(t, turns, o.asked)
	requireEvents(t, turns, o.events)
	requireEnd(t, o.events, o.text)
	s.requireDatabase(t, j, o.desk)
}

// copySQLite makes a database for a job, and returns its path.
func (s *suite) copySQLite(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "desk.db")
	require.NoError(t, os.WriteFile(path, s.sqlite, 0o600))
	return unsynced(path)
}

// openDesk opens a database until the end of the test.
func openDesk(t *testing.T, where string) *desk.Desk {
	t.Helper()
	d, err := desk.Open(t.Context(), where)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// approving returns a runner with a person who approves all calls.
func approving(d *desk.Desk, baseURL string) runner.Runner {
	return runner.Runner{
		MaxTurns: -1, // the jobs have any number of turns
		Journal:  d.Journal(),
		Model:    openai.Config{BaseURL: baseURL, Key: "none"}.Model("scripted"),
		Decide:   func(_ context.Context, p runner.Pending) (runner.Input, error) { return p.Approve(), nil },
	}
}

// request returns the text of the user. The scripted model ignores it.
var request = llm.User("Please see to it.")

func lastOf[T any](all []T) T { return all[len(all)-1] }

func requireText(t *testing.T, j job, turns []turn, text string) {
	t.Helper()
	require.Equal(t, lastOf(turns).text, text)
	require.Truef(t, said(text, j.Outputs), "%q does not say %q", text, j.Outputs)
}

// requireResults: the model received the expected results over the wire.
func requireResults(t *testing.T, turns []turn, last llm.Request) {
	t.Helper()
	var told []string
	for _, m := range last.Messages {
		for _, p := range m.Parts {
			if r, ok := p.(llm.ToolResult); ok {
				told = append(told, r.Text())
			}
		}
	}
	calls := callsOf(turns)
	require.Len(t, told, len(calls))
	for i, c := range calls {
		if c.bad != "" {
			require.Contains(t, told[i], c.hint, c.bad)
			continue
		}
		require.Truef(t, sameText(c.Result, told[i]), "%s %s:\nwant %s\ngot  %s", c.Name, c.Arguments, c.Result, told[i])
	}
}

func callsOf(turns []turn) (calls []planned) {
	for _, u := range turns {
		calls = append(calls, u.calls...)
	}
	return calls
}

// A fate is the part of the events about a call.
type fate struct {
	Started, Asked, Approved, Rejected, IsError bool
	Failure                                     string
}

func (c planned) fate(t *testing.T) fate {
	t.Helper()
	switch {
	case c.bad != "":
		return fate{Rejected: true, IsError: true, Failure: c.bad}
	case c.refused():
		return fate{Started: true, IsError: true, Failure: string(tool.Failed)}
	}
	asked := c.asks(t)
	return fate{Started: true, Asked: asked, Approved: asked}
}

// requireEvents: invalid calls did not start, other calls ran, and calls above the
// limit of the policy had an approval.
func requireEvents(t *testing.T, turns []turn, events []event.Event) {
	t.Helper()
	want, got := map[event.CallRef]fate{}, map[event.CallRef]fate{}
	for i, u := range turns {
		for k, c := range u.calls {
			want[event.NewCallRef(1, i+1, k)] = c.fate(t)
		}
	}
	for _, e := range events {
		switch b := e.Body.(type) {
		case event.ApprovalAsked:
			f := got[b.Call]
			f.Asked = true
			got[b.Call] = f
		case event.ApprovalDecided:
			f := got[b.Call]
			f.Approved = b.Approved
			got[b.Call] = f
		case event.ToolCallStarted:
			f := got[b.Call]
			f.Started = true
			got[b.Call] = f
		case event.ToolCallFinished:
			f := got[b.Call]
			f.Rejected, f.IsError, f.Failure = b.Rejected, b.Result.IsError, b.Failure
			got[b.Call] = f
		}
	}
	for i, u := range turns {
		for k, c := range u.calls {
			if !c.poor() {
				continue
			}
			// The benchmark does not have the amount of a refused call.
			call := event.NewCallRef(1, i+1, k)
			f := want[call]
			f.Asked, f.Approved = got[call].Asked, got[call].Asked
			want[call] = f
		}
	}
	require.Equal(t, want, got)
}

// requireEnd: the journal ends with the final answer.
func requireEnd(t *testing.T, kept []event.Event, text string) {
	t.Helper()
	require.IsType(t, event.RunFinished{}, lastOf(kept).Body)
	answered, ok := kept[len(kept)-2].Body.(event.ModelAnswered)
	require.True(t, ok)
	require.Equal(t, text, answered.Message.Text())
}

func journalOf(t *testing.T, d *desk.Desk) (kept []event.Event) {
	t.Helper()
	log, err := d.Journal().Open(t.Context(), "job")
	require.NoError(t, err)
	for e, err := range log.Events(t.Context()) {
		require.NoError(t, err)
		kept = append(kept, e)
	}
	require.NoError(t, log.Close())
	return kept
}

// requireDatabase: the database has exactly the expected changes, and one call made
// each change.
func (s *suite) requireDatabase(t *testing.T, j job, d *desk.Desk) {
	t.Helper()
	requireChanges(t, j.DBChanges, s.changed(t, d))

	want, got := 0, 0
	for _, c := range j.Calls {
		if changing[c.Name] && !c.refused() {
			want++
		}
	}
	require.NoError(t, d.Journal().DB.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM calls WHERE result <> ''`).Scan(&got))
	require.Equal(t, want, got)
}
