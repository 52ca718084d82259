package sqljournal_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/pgtest"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// fault is what a proxy does to the next thing that a client asks.
type fault int32

const (
	none        fault = iota
	loseRequest       // it does not come to the server
	loseReply         // the server does it, and the client does not hear of it
	late              // it comes to the server when the client has long given up
)

// proxy stands between clients and a server, and breaks one connection.
type proxy struct {
	listener net.Listener
	server   string
	next     atomic.Int32
	deliver  chan struct{} // closed: late requests go on
	replied  chan struct{} // closed when the server has answered the one that was late, or that nobody heard of
}

func newProxy(t *testing.T, server string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{listener: l, server: server, deliver: make(chan struct{}), replied: make(chan struct{})}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	return p
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	var broken atomic.Bool
	go func() {
		defer client.Close()
		buf := make([]byte, 1<<16)
		for {
			n, err := server.Read(buf)
			if err != nil {
				return
			}
			if broken.Load() {
				close(p.replied)
				return
			}
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 1<<16)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		switch fault(p.next.Swap(int32(none))) {
		case loseRequest:
			return
		case loseReply:
			broken.Store(true)
		case late:
			broken.Store(true)
			_ = client.Close()
			<-p.deliver
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
		if broken.Load() {
			<-p.replied
			return
		}
	}
}

// TestBrokenConnection: an append whose connection breaks was made, or it is made
// again; what comes late is refused.
func TestBrokenConnection(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fault fault
	}{{"the request is lost", loseRequest}, {"the reply is lost", loseReply}, {"the request comes late", late}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			where, err := url.Parse(pgtest.Database(t))
			require.NoError(t, err)
			p := newProxy(t, where.Host)
			where.Host = p.listener.Addr().String()
			j, err := sqljournal.OpenPostgres(t.Context(), where.String())
			require.NoError(t, err)
			defer j.Close()
			j.DB.SetMaxOpenConns(1)
			log := open(t, j, "order-42")
			require.NoError(t, log.Append(t.Context(), true, notes(1, 1)...)) // and the statement is prepared
			p.next.Store(int32(tt.fault))
			require.NoError(t, log.Append(t.Context(), true, notes(2, 2)...))
			require.Equal(t, none, fault(p.next.Load()))
			close(p.deliver)
			if tt.fault != loseRequest {
				<-p.replied
			}
			require.NoError(t, log.Context().Err())
			events, err := readAll(log)
			require.NoError(t, err)
			require.Equal(t, notes(1, 3), events)
			require.NoError(t, log.Append(t.Context(), true, notes(4, 1)...))
			require.NoError(t, log.Close())
			holds(t, j, "order-42", notes(1, 4))
		})
	}
}

// TestTerminated: the server ends the connection in the middle of an append, which is
// made again.
func TestTerminated(t *testing.T) {
	t.Parallel()
	where := pgtest.Database(t)
	j, other := openPostgres(t, where), openPostgres(t, where)
	log := open(t, j, "order-42")
	require.NoError(t, log.Append(t.Context(), true, notes(1, 1)...))
	tx, err := other.DB.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(t.Context(), `SELECT * FROM toolloop_sessions FOR UPDATE`)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- log.Append(context.Background(), true, notes(2, 1)...) }()
	terminate := func() (ended int, err error) {
		err = other.DB.QueryRowContext(t.Context(), `SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'WITH moved%'`).Scan(&ended)
		return ended, err
	}
	require.Eventually(t, func() bool { n, err := terminate(); return err == nil && n == 1 }, 30*time.Second, 10*time.Millisecond)
	// It waits for the lock to find out what became of it.
	require.NoError(t, tx.Rollback())
	require.NoError(t, <-done)
	require.NoError(t, log.Close())
	holds(t, j, "order-42", notes(1, 2))
}

// TestRestart: the server dies in the middle of a run, and comes back. What was
// acknowledged is there, and the session goes on.
func TestRestart(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	j, err := sqljournal.OpenPostgres(t.Context(), server.URL("postgres"))
	require.NoError(t, err)
	defer j.Close()
	j.Lease = time.Second
	dies, times := true, 0
	crash := tool.Must(tool.New("crash", "Crashes the server.", func(context.Context, struct{}) (string, error) {
		times++
		if dies {
			return "done", server.Crash()
		}
		return "done", nil
	}, tool.Idempotent(), tool.Timeout(time.Minute)))
	model := llmtest.NewScript(llmtest.Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		if last := req.Messages[len(req.Messages)-1]; len(last.Results()) > 0 {
			return llmtest.Text("It is " + last.Results()[0].Text() + ".").Response()
		}
		return llmtest.Calls("crash", struct{}{}).Response()
	}).Forever())
	s := runner.Runner{Model: model, Journal: j}.Session("order-42")
	a := &agent.Agent{Name: "desk", Tools: []tool.Tool{crash}}
	_, err = s.Run(t.Context(), a, runner.Say(llm.User("Do it.")))
	var e *journal.StoreError
	require.ErrorAs(t, err, &e)
	require.Equal(t, "order-42", e.Session)

	require.NoError(t, server.Restart())
	log, err := openAgain(t.Context(), j, "order-42")
	require.NoError(t, err)
	before, err := readAll(log)
	require.NoError(t, err)
	require.Equal(t, "tool_call_started", before[len(before)-1].Type())
	require.NoError(t, log.Close())
	dies = false
	result, err := s.Run(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, "It is done.", result.Text)
	require.Equal(t, 2, times)
}

func isBusy(err error) bool {
	_, busy := errors.AsType[*journal.BusyError](err)
	return busy
}
