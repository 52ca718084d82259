package wrap_test

import (
	"context"
	"log/slog"
	"os"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// Log writes a record for each request, without its contents.
func ExampleLog() {
	withoutTimes := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "duration" {
			return slog.Attr{}
		}
		return a
	}
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTimes}))
	busy := llmtest.Fail(&llm.APIError{Kind: llm.KindOverloaded, StatusCode: 503})
	m := wrap.Log{Logger: logger}.Model(llmtest.NewScript(llmtest.Text("Hello."), busy))

	for range 2 {
		_, _ = m.Generate(context.Background(), &llm.Request{Model: "demo", Messages: []llm.Message{llm.User("Hello.")}}, nil)
	}
	// Output:
	// level=INFO msg="model answered" model=demo finish=stop usage.input_tokens=10 usage.output_tokens=5 request_id=req_1
	// level=WARN msg="model failed" model=demo error_kind=overloaded status=503
}
