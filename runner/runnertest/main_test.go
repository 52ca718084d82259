package runnertest_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// fakeTB is a test that may fail.
type fakeTB struct {
	testing.TB // panics on what is not here
	context    context.Context
	errors     []string
	logs       []string
}

func (f *fakeTB) Helper()                  {}
func (f *fakeTB) Name() string             { return "TestFake/part" }
func (f *fakeTB) Context() context.Context { return f.context }

func (f *fakeTB) Logf(format string, args ...any) {
	f.logs = append(f.logs, fmt.Sprintf(format, args...))
}

func (f *fakeTB) Errorf(format string, args ...any) {
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}

func (f *fakeTB) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}

// fake runs a test that may fail.
func fake(t *testing.T, test func(testing.TB)) *fakeTB {
	t.Helper()
	tb := &fakeTB{context: t.Context()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		test(tb)
	}()
	<-done
	return tb
}

type lookArgs struct {
	Order   string `json:"order"`
	Seconds int    `json:"seconds,omitempty"`
}

type refundArgs struct {
	Order string `json:"order"`
	Cents int    `json:"cents" jsonschema:"minimum=1"`
	Note  any    `json:"note,omitempty"`
}

// waiting waits unless ctx ends.
func waiting(ctx context.Context, seconds int) error {
	select {
	case <-time.After(time.Duration(seconds) * time.Second):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// desk is an agent whose tools take their time and fail in every way.
func desk() *agent.Agent {
	made := func(t tool.Tool, err error) tool.Tool { return tool.Must(t, err) }
	return &agent.Agent{
		Name:         "desk",
		Instructions: "You help customers.\n\nBe brief.",
		Tools: []tool.Tool{
			made(tool.New("look", "Looks up an order.", func(ctx context.Context, in lookArgs) (map[string]any, error) {
				return map[string]any{"order": in.Order, "state": "sent"}, waiting(ctx, in.Seconds)
			})),
			made(tool.New("refund", "Refunds an order.", func(ctx context.Context, in refundArgs) (string, error) {
				if in.Order == "W0" {
					return "", errors.New("no order W0")
				}
				return "Refunded.", waiting(ctx, 3)
			}, tool.Timeout(10*time.Second))),
			made(tool.New("again", "Wants to be called in another way.", func(context.Context, struct{}) (string, error) {
				return "", tool.Retry("Ask the customer first.")
			})),
			made(tool.New("break_down", "Panics.", func(context.Context, struct{}) (string, error) { panic("oh") })),
			made(tool.New("hide", "Fails and does not say why.", func(context.Context, struct{}) (string, error) {
				return "", tool.Hide(errors.New("the database at 127.0.0.1:40123 is down"))
			})),
			made(tool.New("sleep", "Takes too long.", func(ctx context.Context, _ struct{}) (string, error) {
				return "", waiting(ctx, 60)
			}, tool.Timeout(time.Second))),
			made(tool.New("show", "Shows pictures.", func(context.Context, struct{}) (llm.Parts, error) {
				return llm.Parts{
					llm.Text{Text: "Two."},
					llm.Image{Data: []byte("\x89PNG\r\n\x1a\n and more")},
					llm.Image{URL: "data:image/png;base64,AAAA"}, llm.Image{URL: "https://example.com/a.png"},
					llm.Audio{Data: []byte("la"), Format: "wav", Transcript: "La."},
					llm.File{Name: "a b.pdf", MediaType: "application/pdf", Data: []byte("%PDF")}, llm.File{ID: "file-1"},
				}, nil
			})),
			made(tool.New("key", "Says what the call is named.", func(ctx context.Context, _ struct{}) (string, error) {
				c := tool.CallFrom(ctx)
				return c.ID + " is " + c.Key, nil
			})),
			made(tool.New("abort", "Ends the run.", func(context.Context, struct{}) (string, error) {
				return "", tool.Abort(errors.New("the shop is closed"))
			})),
		},
	}
}

func with(m llm.Model) runner.Runner { return runner.Runner{Model: m} }
