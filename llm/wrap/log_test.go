package wrap_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

func TestLogHolds(t *testing.T) {
	t.Parallel()
	holds(t, func(_ *testing.T, m llm.Model) llm.Model {
		return wrap.Log{Logger: slog.New(slog.DiscardHandler), Contents: true}.Model(m)
	})
}

// logger returns a logger, and its records as text without their times.
func logger(level slog.Level) (*slog.Logger, *bytes.Buffer) {
	b := new(bytes.Buffer)
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})), b
}

func TestLogRecords(t *testing.T) {
	t.Parallel()
	const question = "What is in postgres://ann:hunter2@db/x?"
	call := llmtest.Text("Let me see.").And(llmtest.Calls("f", `{"a":1}`))
	for _, tt := range []struct {
		name string
		log  wrap.Log
		step llmtest.Step
		want string
	}{
		{name: "an answer", step: call.Usage(llm.Usage{InputTokens: 12, CachedTokens: 10, OutputTokens: 3, ReasoningTokens: 1}),
			want: `level=INFO msg="model answered" duration=0s model=m finish=tool_calls usage.input_tokens=12 usage.cached_tokens=10 usage.output_tokens=3 usage.reasoning_tokens=1 request_id=req_1`},
		{name: "no usage", step: llmtest.Text("a").Usage(llm.Usage{}), want: `level=INFO msg="model answered" duration=0s model=m finish=stop request_id=req_1`},
		{name: "another level", log: wrap.Log{Level: slog.LevelDebug}, step: llmtest.Text("a").Usage(llm.Usage{}),
			want: `level=DEBUG msg="model answered" duration=0s model=m finish=stop request_id=req_1`},
		{name: "an error", log: wrap.Log{Level: slog.LevelDebug}, step: llmtest.Fail(&llm.APIError{Kind: llm.KindRateLimit, RequestID: "req_1", Message: question}),
			want: `level=WARN msg="model failed" duration=0s model=m error_kind=rate_limit status=429 code=rate_limit_exceeded request_id=req_1`},
		{name: "an error at a higher level", log: wrap.Log{Level: slog.LevelError}, step: llmtest.Fail(&llm.APIError{Kind: llm.KindAuth, RequestID: "req_1"}),
			want: `level=ERROR msg="model failed" duration=0s model=m error_kind=auth status=401 code=invalid_api_key request_id=req_1`},
		{name: "contents", log: wrap.Log{Contents: true}, step: call.Usage(llm.Usage{}),
			want: `level=INFO msg="model answered" duration=0s model=m finish=tool_calls request_id=req_1 question="What is in postgres://[redacted]@db/x?" answer="Let me see.\nf({\"a\":1})"`},
		{name: "contents of an error", log: wrap.Log{Contents: true}, step: llmtest.Fail(&llm.APIError{Kind: llm.KindServer, StatusCode: 500, RequestID: "req_1", Message: question}),
			want: `level=WARN msg="model failed" duration=0s model=m error_kind=server status=500 request_id=req_1 question="What is in postgres://[redacted]@db/x?" error="openai: 500 server: What is in postgres://[redacted]@db/x?"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for name, script := range seats() {
				if strings.HasPrefix(name, "server") {
					continue // a bubble has no network
				}
				for _, stream := range []bool{false, true} {
					synctest.Test(t, func(t *testing.T) {
						log, text := logger(slog.LevelDebug)
						tt.log.Logger = log
						req := saying(question)
						req.Model, req.Stream = "m", stream
						req.Tools = []llm.ToolDef{{Name: "f", Schema: []byte(`{"type":"object"}`)}}
						_, _ = tt.log.Model(script(t, tt.step)).Generate(t.Context(), req, nil)
						got := strings.TrimSuffix(text.String(), "\n")
						if name == "in process" { // where a script leaves out what only a wire has
							require.Contains(t, got, tt.want[:strings.Index(tt.want, " duration")])
							return
						}
						require.Equal(t, tt.want, got, "%s, %v", name, stream)
					})
				}
			}
		})
	}
}

func TestLogOfOtherErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, text := logger(slog.LevelDebug)
		m := wrap.Log{Logger: log}.Model(openai.Config{Key: "sk-very-secret", HTTPClient: llmtest.Script(t, llmtest.Text("a").Delay(time.Hour)).Client()}.Model("m"))
		_, err := m.Generate(t.Context(), &llm.Request{}, nil)
		require.Error(t, err)
		ctx, cancel := context.WithTimeoutCause(t.Context(), 1500*time.Millisecond, errors.New("the words of the caller"))
		defer cancel()
		_, err = m.Generate(ctx, hello(false), nil)
		require.EqualError(t, err, "the words of the caller")
		require.Equal(t, `level=WARN msg="model failed" duration=0s model="retried openai.Model(\"m\")" error_kind=other`+"\n"+
			`level=INFO msg="model failed" duration=1.5s model="retried openai.Model(\"m\")" error_kind=cancelled`+"\n", text.String())
	})
}

func TestLogCutsContents(t *testing.T) {
	t.Parallel()
	log, text := logger(slog.LevelInfo)
	m := wrap.Log{Logger: log, Contents: true}.Model(llmtest.Script(t, llmtest.Text(strings.Repeat("ä", 5000))))
	_, err := m.Generate(t.Context(), saying(strings.Repeat("b", 5000)), nil)
	require.NoError(t, err)
	require.Contains(t, text.String(), " question="+strings.Repeat("b", 2000)+" answer="+strings.Repeat("ä", 1000)+"\n")
}

// handler is a handler that does something.
type handler func(ctx context.Context) error

func (handler) Enabled(context.Context, slog.Level) bool          { return true }
func (h handler) Handle(ctx context.Context, _ slog.Record) error { return h(ctx) }
func (h handler) WithAttrs([]slog.Attr) slog.Handler              { return h }
func (h handler) WithGroup(string) slog.Handler                   { return h }

// TestLogChangesNothing: whatever the handler does, the caller gets what the model
// returned.
func TestLogChangesNothing(t *testing.T) {
	t.Parallel()
	for name, handle := range map[string]handler{
		"fails":  func(context.Context) error { return errors.New("the disk is full") },
		"panics": func(context.Context) error { panic("ours") },
		"sleeps": func(context.Context) error { time.Sleep(time.Hour); return nil }, // synctest: exact in a bubble
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var ended error
				watched := handler(func(ctx context.Context) error {
					defer func() { ended = ctx.Err() }()
					return handle(ctx)
				})
				m := wrap.Log{Logger: slog.New(watched)}.Model(&failing{errs: []error{overloaded}})
				_, err := m.Generate(ctx, hello(false), nil)
				require.Equal(t, overloaded, err)
				resp, err := m.Generate(ctx, hello(false), nil)
				require.NoError(t, err)
				require.Same(t, answer, resp)
				require.NoError(t, ended, "of the handler's context")
			})
		})
	}
}

func TestLogRefusesBadConfiguration(t *testing.T) {
	t.Parallel()
	_, err := wrap.Log{}.Model(nil).Generate(t.Context(), hello(false), nil)
	require.EqualError(t, err, "wrap: the model of a Log is nil")
}
