package main_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/pgtest"
)

// crashSeed selects a third of the calls. With TOOLLOOP_CRASHES=all, a process is
// killed at both moments of each call.
const crashSeed = 7

// A moment is the time of a kill. In both moments the tool has committed its work.
type moment string

const (
	unrecorded moment = "unrecorded" // before the journal has the result
	recorded   moment = "recorded"   // after the journal has the result
)

// A kill is the moment at which a child process is killed.
type kill struct {
	Call   int // counts from 0
	Moment moment
}

// kills returns the kills of a job, in order.
func kills(j job) (all []kill) {
	r := rand.New(rand.NewPCG(crashSeed, uint64(j.line)))
	for i := range j.Calls {
		at := []moment{unrecorded, recorded}
		if os.Getenv("TOOLLOOP_CRASHES") != "all" {
			at = at[r.IntN(2):][:1]
			if r.IntN(3) > 0 {
				continue
			}
		}
		for _, m := range at {
			all = append(all, kill{i, m})
		}
	}
	return all
}

func (s *suite) crashSQLite(*testing.T) func(*testing.T, job) {
	return func(t *testing.T, j job) { s.crash(t, j, s.copySQLite(t)) }
}

func (s *suite) crashPostgres(t *testing.T) func(*testing.T, job) {
	start, err := url.Parse(pgtest.Database(t))
	require.NoError(t, err)
	d, err := desk.Open(t.Context(), start.String())
	require.NoError(t, err)
	require.NoError(t, d.Import(t.Context(), s.start))
	watch(t, d)
	require.NoError(t, d.Close()) // otherwise the file could not be copied
	return func(t *testing.T, j job) {
		s.crash(t, j, copyPostgres(t, *start, fmt.Sprintf("job_%d", j.line)))
	}
}

// copyPostgres copies a database until the end of the test, and returns the address
// of the copy. There may be thousands of jobs, and a copy takes over 10 MB.
func copyPostgres(t *testing.T, from url.URL, name string) string {
	t.Helper()
	template := path.Base(from.Path)
	from.Path = "/postgres"
	db, err := sql.Open("pgx", from.String())
	require.NoError(t, err)
	execute(t, db, `CREATE DATABASE `+name+` TEMPLATE `+template)
	t.Cleanup(func() {
		_, err := db.ExecContext(context.WithoutCancel(t.Context()), `DROP DATABASE `+name+` WITH (FORCE)`) // connections of dead processes may linger
		require.NoError(t, errors.Join(err, db.Close()))
	})
	from.Path = "/" + name
	return from.String()
}

// crash runs a job in several processes. All but the last process, which is this
// process, are killed.
func (s *suite) crash(t *testing.T, j job, where string) {
	turns := oneByOne(j)
	script := llmtest.Script(t, llmtest.Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		return turns[results(req)].step().Response()
	}).Forever())
	server := script.Serve()
	d := openDesk(t, where)
	in := []runner.Input{runner.Say(request)}
	for i, k := range kills(j) {
		die(t, child{Where: where, BaseURL: server.BaseURL, First: i == 0, Kill: k})
		// The test does not wait for the end of the dead process's lease.
		_, err := d.Journal().DB.ExecContext(t.Context(), `UPDATE toolloop_sessions SET expires = 0`)
		require.NoError(t, err)
		in = nil
	}
	text, _, err := runs(t.Context(), approving(d, server.BaseURL).Session("job"), d, in...)
	require.NoError(t, err)
	s.requireRight(t, j, turns, outcome{d, text, lastOf(script.Requests()), journalOf(t, d)})
}

// results counts the results in a request to the model.
func results(req *llm.Request) (n int) {
	for _, m := range req.Messages {
		if m.Role == llm.RoleTool {
			n++
		}
	}
	return n
}

// A child is the work of a child process until its death.
type child struct {
	Where, BaseURL string
	First          bool // the child begins the session
	Kill           kill
}

const childEnv = "ORDERDESK_TEST_CHILD"

// The last words of a child that was killed at the right moment.
const killed = "now\n"

// die runs a child to its end.
func die(t *testing.T, c child) {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	text, err := json.Marshal(c)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.Error(t, cmd.Run(), "it was not killed")
	require.Equal(t, killed, stdout.String(), "%+v: %s", c.Kill, stderr.String())
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		fmt.Fprintln(os.Stderr, live(context.Background(), text))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// live runs the child. It returns only if the child was not killed.
func live(ctx context.Context, text string) error {
	var c child
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	d, err := desk.Open(ctx, c.Where)
	if err != nil {
		return err
	}
	r := approving(d, c.BaseURL)
	r.Journal = deadly{r.Journal, c.Kill}
	var in []runner.Input
	if c.First {
		in = append(in, runner.Say(request))
	}
	_, err = r.Session("job").Run(ctx, d.Agent(nil), in...)
	return fmt.Errorf("it lives: %w", err)
}

// A deadly journal kills its process.
type deadly struct {
	journal.Journal
	kill kill
}

func (j deadly) Open(ctx context.Context, session string) (journal.Log, error) {
	log, err := j.Journal.Open(ctx, session)
	return deadlyLog{log, j.kill}, err
}

type deadlyLog struct {
	journal.Log
	kill kill
}

func (l deadlyLog) Append(ctx context.Context, sync bool, events ...event.Event) error {
	now := false
	for _, e := range events {
		b, ok := e.Body.(event.ToolCallFinished)
		now = now || ok && b.Call == event.NewCallRef(1, l.kill.Call+1, 0)
	}
	if now && l.kill.Moment == unrecorded {
		killSelf()
	}
	err := l.Log.Append(ctx, sync, events...)
	if now {
		killSelf()
	}
	return err
}

// killSelf does not return.
func killSelf() {
	os.Stdout.WriteString(killed)
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {}
}
