package llmtest_test

import (
	"errors"
	"io"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// seats are the ways in which a program can meet a script.
var seats = map[string]func(t *testing.T, m *llmtest.Model) llm.Model{
	"in process": func(_ *testing.T, m *llmtest.Model) llm.Model { return m },
	"transport": func(_ *testing.T, m *llmtest.Model) llm.Model {
		return openai.Config{HTTPClient: m.Client(), Key: "k", Retry: wrap.Retry{Attempts: 1}}.Model("m")
	},
	"pipe": func(t *testing.T, m *llmtest.Model) llm.Model {
		return openai.Config{HTTPClient: m.Pipe(t), Key: "k", Retry: wrap.Retry{Attempts: 1}}.Model("m")
	},
	"loopback": func(_ *testing.T, m *llmtest.Model) llm.Model {
		return openai.Config{BaseURL: m.Serve().BaseURL, Retry: wrap.Retry{Attempts: 1}}.Model("m")
	},
}

// met is what a program meets.
type met struct {
	text   string
	kind   llm.ErrorKind
	deltas int
	took   time.Duration
}

// meet asks for an answer with a fault.
func meet(t *testing.T, seat string, step llmtest.Step, stream bool) met {
	t.Helper()
	m := llmtest.Script(t, step)
	if seat != "loopback" {
		m.Delay = time.Second
	}
	model := seats[seat](t, m)
	start := time.Now()
	resp, deltas, err := collect(t.Context(), model, &llm.Request{Model: "m", Messages: []llm.Message{llm.User("hi")}, Stream: stream})
	out := met{deltas: len(deltas)}
	if seat != "loopback" {
		out.took = time.Since(start)
	}
	if err == nil {
		out.text = resp.Message.Text()
		return out
	}
	e, ok := errors.AsType[*llm.APIError](err)
	require.True(t, ok, "%s: %v", seat, err)
	out.kind = e.Kind
	return out
}

// Each fault is the same to a program in every seat: the same deltas, the same
// kind of error, after the same time.
func TestFaultsInAllSeats(t *testing.T) {
	t.Parallel()
	const text = "one two three" // three pieces
	sec := func(n int) time.Duration { return time.Duration(n) * time.Second }
	whole, wholeAtOnce := met{text: text, deltas: 3, took: sec(3)}, met{text: text, took: sec(1)}
	fails := func(kind llm.ErrorKind, pieces int, took time.Duration) met {
		return met{kind: kind, deltas: pieces, took: took}
	}
	refused := func(kind llm.ErrorKind) [2]met {
		return [2]met{fails(kind, 0, sec(1)), fails(kind, 0, sec(1))}
	}
	const patience = 20 * time.Minute // that of the client is shorter
	for _, c := range []struct {
		fault llmtest.Fault
		want  [2]met // streamed, and not
	}{
		{llmtest.Fault{}, [2]met{whole, wholeAtOnce}},
		{llmtest.Status(429, http.Header{"Retry-After": {"7"}}, `{"error":{"message":"Slow down."}}`), refused(llm.KindRateLimit)},
		{llmtest.Status(500, nil, "oops"), refused(llm.KindServer)},
		{llmtest.Late(time.Minute), [2]met{{text: text, deltas: 3, took: sec(63)}, {text: text, took: sec(61)}}},
		{llmtest.Cut(0), [2]met{fails(llm.KindTruncated, 0, 0), fails(llm.KindTruncated, 0, sec(1))}},
		{llmtest.Cut(2), [2]met{fails(llm.KindTruncated, 2, sec(2)), fails(llm.KindTruncated, 0, sec(1))}},
		{llmtest.Cut(9), [2]met{fails(llm.KindTruncated, 3, sec(3)), fails(llm.KindTruncated, 0, sec(1))}},
		{llmtest.CutBytes(0), [2]met{fails(llm.KindTruncated, 0, 0), fails(llm.KindTruncated, 0, sec(1))}},
		{llmtest.CutBytes(300), [2]met{fails(llm.KindTruncated, 0, sec(1)), fails(llm.KindTruncated, 0, sec(1))}},
		{llmtest.CutBytes(100_000), [2]met{whole, wholeAtOnce}},
		{llmtest.ErrorEvent(1, &llm.APIError{Kind: llm.KindOverloaded}), [2]met{fails(llm.KindOverloaded, 1, sec(2)), fails(llm.KindOverloaded, 0, sec(1))}},
		{llmtest.ErrorEvent(1, &llm.APIError{Kind: llm.KindNetwork}), [2]met{fails(llm.KindServer, 1, sec(2)), fails(llm.KindServer, 0, sec(1))}},
		{llmtest.GarbageEvent(1, "<html>"), [2]met{fails(llm.KindTruncated, 1, sec(2)), fails(llm.KindMalformed, 0, sec(1))}},
		{llmtest.GarbageEvent(1, `{"id":`), [2]met{fails(llm.KindTruncated, 1, sec(2)), fails(llm.KindTruncated, 0, sec(1))}},
		{llmtest.GarbageEvent(1, `{"id"]`), [2]met{fails(llm.KindTruncated, 1, sec(2)), fails(llm.KindMalformed, 0, sec(1))}},
		{llmtest.ContentType("text/html"), [2]met{whole, wholeAtOnce}},
		{llmtest.ContentType(""), [2]met{whole, wholeAtOnce}},
		{llmtest.Reset(-1), [2]met{fails(llm.KindNetwork, 0, sec(1)), fails(llm.KindNetwork, 0, sec(1))}},
		{llmtest.Reset(1), [2]met{fails(llm.KindNetwork, 1, sec(1)), fails(llm.KindNetwork, 0, sec(1))}},
		{llmtest.Stall(1, patience), [2]met{fails(llm.KindTimeout, 1, sec(1)+patience), fails(llm.KindTimeout, 0, sec(1)+patience)}},
	} {
		t.Run(c.fault.String(), func(t *testing.T) {
			t.Parallel()
			step := llmtest.Text(text).With(c.fault)
			for i, stream := range []bool{true, false} {
				for seat := range seats {
					want := c.want[i]
					if seat == "loopback" {
						if want.took > patience || want.took >= time.Minute {
							continue // what takes time is for bubbles
						}
						want.took = 0
						require.Equal(t, want, meet(t, seat, step, stream), "%s, stream %v", seat, stream)
						continue
					}
					if want.kind == llm.KindTimeout && seat != "in process" { // the client's patience
						want.took = sec(1) + 5*time.Minute
						if !stream {
							want.took = sec(0) + 10*time.Minute
						}
					}
					if want.kind == llm.KindNetwork && seat == "pipe" && c.fault.String() != "reset before the answer" {
						want.kind = llm.KindTruncated // a pipe can only be cut
					}
					synctest.Test(t, func(t *testing.T) {
						require.Equal(t, want, meet(t, seat, step, stream), "%s, stream %v", seat, stream)
					})
				}
			}
		})
	}
}

// An error in a stream is of its kind to a client, too.
func TestKindsOfErrorEvents(t *testing.T) {
	t.Parallel()
	for _, kind := range []llm.ErrorKind{
		llm.KindAuth, llm.KindPermission, llm.KindNotFound, llm.KindInvalidRequest, llm.KindTooLarge, llm.KindContextOverflow,
		llm.KindContentFilter, llm.KindQuota, llm.KindRateLimit, llm.KindConflict, llm.KindOverloaded, llm.KindServer, llm.KindTimeout,
	} {
		step := llmtest.Text("a").With(llmtest.ErrorEvent(1, &llm.APIError{Kind: kind, RetryAfter: time.Hour}))
		for _, seat := range []string{"in process", "transport"} {
			for _, stream := range []bool{true, false} {
				_, err := seats[seat](t, llmtest.Script(t, step)).Generate(t.Context(), &llm.Request{Messages: ask("hi").Messages, Stream: stream}, nil)
				e, ok := errors.AsType[*llm.APIError](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, kind, e.Kind, "%s, stream %v", seat, stream)
				require.Zero(t, e.RetryAfter)
				require.GreaterOrEqual(t, e.StatusCode, 400)
			}
		}
	}
}

// What a client is told in the place of an answer is the same in process but for
// the words: it decides by these fields what to do.
func TestErrorsInAnswersAreTheSameInProcess(t *testing.T) {
	t.Parallel()
	faults := []llmtest.Fault{
		llmtest.GarbageEvent(1, "<html>"), llmtest.GarbageEvent(1, `{"id":`), llmtest.GarbageEvent(0, "x"),
		llmtest.Cut(0), llmtest.Cut(1), llmtest.CutBytes(0), llmtest.CutBytes(99), llmtest.Reset(-1), llmtest.Reset(1),
	}
	for _, kind := range []llm.ErrorKind{
		"", llm.KindAuth, llm.KindPermission, llm.KindNotFound, llm.KindInvalidRequest, llm.KindTooLarge, llm.KindContextOverflow, llm.KindContentFilter,
		llm.KindQuota, llm.KindRateLimit, llm.KindConflict, llm.KindOverloaded, llm.KindServer, llm.KindTimeout, llm.KindNetwork, llm.KindTruncated,
	} {
		for _, status := range []int{0, 400, 429, 500} {
			faults = append(faults, llmtest.ErrorEvent(1, &llm.APIError{Kind: kind, StatusCode: status}))
		}
		faults = append(faults, llmtest.ErrorEvent(1, &llm.APIError{Kind: kind, Code: "own", Type: "own", Param: "own", Message: "own"}))
	}
	for _, f := range faults {
		for _, stream := range []bool{true, false} {
			tell := func(seat string) (llm.APIError, [2]bool) {
				_, err := seats[seat](t, llmtest.Script(t, llmtest.Text("a").With(f))).Generate(t.Context(), &llm.Request{Messages: ask("hi").Messages, Stream: stream}, nil)
				e, ok := errors.AsType[*llm.APIError](err)
				require.True(t, ok, "%v", err)
				broken := [2]bool{errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET)}
				told := *e
				told.Provider, told.Message, told.Err = "", "", nil
				return told, broken
			}
			want, wantBroken := tell("transport")
			got, broken := tell("in process")
			require.Equal(t, want, got, "%s, stream %v", f, stream)
			require.Equal(t, wantBroken, broken, "%s, stream %v", f, stream)
		}
	}
}

// Wherever the connection breaks, it is the same in process and to a client.
func TestCutAtEachByte(t *testing.T) {
	t.Parallel()
	step := llmtest.Text("one two").And(llmtest.Calls("f", nil))
	for _, stream := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			ends := 0
			for n := 0; ends < 20; n++ { // so many bytes and more are behind the usage
				ask := func(seat string) (any, []llm.Delta, time.Duration) {
					m := llmtest.NewScript(step.With(llmtest.CutBytes(n)))
					m.Delay, m.ChunkSize = time.Second, 5
					req := ask("hi")
					req.Stream = stream
					start := time.Now()
					resp, deltas, err := collect(t.Context(), seats[seat](t, m), req)
					if e, ok := errors.AsType[*llm.APIError](err); ok {
						return e.Kind, deltas, time.Since(start)
					}
					require.NoError(t, err)
					resp.RawUsage = nil
					return resp, deltas, time.Since(start)
				}
				want, shown, took := ask("transport")
				got, deltas, spent := ask("in process")
				require.Equal(t, want, got, "%d bytes, stream %v", n, stream)
				require.Equal(t, shown, deltas, "%d bytes, stream %v", n, stream)
				require.Equal(t, took, spent, "%d bytes, stream %v", n, stream)
				if resp, ok := got.(*llm.Response); ok && (resp.Usage != llm.Usage{}) {
					ends++
				}
			}
		})
	}
}
