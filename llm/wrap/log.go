package wrap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/internal/secret"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// Log writes a record for each request, at its end: "model answered" or "model failed". The
// zero value writes to slog.Default.
//
// The record has the attributes model, duration, finish, usage (input_tokens,
// cached_tokens, output_tokens, reasoning_tokens) and request_id; after an error error_kind,
// status and code. error_kind is the kind of an [llm.APIError], "cancelled" after the end of
// the caller's context, and "other". Attributes without a value are left out. No attribute
// has contents or the words of an error, because providers repeat contents there.
//
// Generate waits for the handler, and returns what the inner model returned: whatever the
// handler does, also if it panics, and also if ctx ends in between. The handler gets a
// context that has not ended.
//
// A Log is a plain value, safe for concurrent use if its handler is.
type Log struct {
	// Logger writes the records. Nil means slog.Default() at the time of the record.
	Logger *slog.Logger
	// Level is the level of answers, and of requests that the caller has cancelled. Zero is
	// slog.LevelInfo. Errors have at least slog.LevelWarn.
	Level slog.Level
	// Contents adds the texts of the newest message and of the answer, and the words of an
	// error, each cut to 2,000 bytes and without passwords in URLs: question, answer, error.
	Contents bool
}

// Model returns m with a log. A nil model is an error of each Generate.
func (l Log) Model(m llm.Model) llm.Model { return &logged{config: l, inner: m} }

type logged struct {
	config Log
	inner  llm.Model
}

// Format implements [fmt.Formatter].
func (m *logged) Format(s fmt.State, _ rune) { format(s, "logged", m.inner) }

func (m *logged) inside() []llm.Model { return []llm.Model{m.inner} }

// Generate implements [llm.Model].
func (m *logged) Generate(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
	if m.inner == nil {
		return nil, errors.New("wrap: the model of a Log is nil")
	}
	begin := time.Now()
	resp, err := m.inner.Generate(ctx, req, sink)
	m.log(ctx, req, resp, err, time.Since(begin))
	return resp, err
}

// log writes the record. A panic of the handler ends here.
func (m *logged) log(ctx context.Context, req *llm.Request, resp *llm.Response, err error, took time.Duration) {
	defer func() { _ = recover() }()
	logger := m.config.Logger
	if logger == nil {
		logger = slog.Default()
	}
	level, message := m.config.Level, "model answered"
	if err != nil {
		message = "model failed"
		if ctx.Err() == nil {
			level = max(level, slog.LevelWarn)
		}
	}
	if !logger.Enabled(ctx, level) {
		return
	}
	r := record{slog.Duration("duration", took)}
	switch {
	case err != nil:
		r.text("model", cmp.Or(req.Model, printed(m.inner)))
		r.failure(ctx, err)
	case resp != nil:
		r.text("model", resp.Model)
		r.answer(resp)
	}
	if m.config.Contents {
		r.contents(req, resp, err)
	}
	logger.LogAttrs(context.WithoutCancel(ctx), level, message, r...)
}

// A record is the attributes of a log record.
type record []slog.Attr

func (r *record) text(key, value string) {
	if value != "" {
		*r = append(*r, slog.String(key, value))
	}
}

func (r *record) answer(resp *llm.Response) {
	r.text("finish", string(resp.Finish.Reason))
	var usage []any
	for _, c := range []struct {
		key    string
		tokens int64
	}{
		{"input_tokens", resp.Usage.InputTokens}, {"cached_tokens", resp.Usage.CachedTokens},
		{"output_tokens", resp.Usage.OutputTokens}, {"reasoning_tokens", resp.Usage.ReasoningTokens},
	} {
		if c.tokens != 0 {
			usage = append(usage, slog.Int64(c.key, c.tokens))
		}
	}
	*r = append(*r, slog.Group("usage", usage...)) // handlers leave out an empty group
	r.text("request_id", resp.RequestID)
}

func (r *record) failure(ctx context.Context, err error) {
	api, ok := errors.AsType[*llm.APIError](err)
	switch {
	case ctx.Err() != nil:
		r.text("error_kind", "cancelled")
	case !ok:
		r.text("error_kind", "other")
	default:
		r.text("error_kind", string(api.Kind))
		if api.StatusCode != 0 {
			*r = append(*r, slog.Int("status", api.StatusCode))
		}
		r.text("code", api.Code)
		r.text("request_id", api.RequestID)
	}
}

func (r *record) contents(req *llm.Request, resp *llm.Response, err error) {
	if len(req.Messages) > 0 {
		r.text("question", content(req.Messages[len(req.Messages)-1]))
	}
	if err != nil {
		r.text("error", harmless(err.Error()))
	} else if resp != nil {
		r.text("answer", content(resp.Message))
	}
}

// content returns the texts, calls and results of a message.
func content(m llm.Message) string {
	var all []string
	for _, p := range m.Parts {
		switch p := p.(type) {
		case llm.Text:
			all = append(all, p.Text)
		case llm.Refusal:
			all = append(all, p.Text)
		case llm.ToolCall:
			all = append(all, p.Name+"("+p.Arguments+")")
		case llm.ToolResult:
			all = append(all, p.Text())
		}
	}
	return harmless(strings.Join(all, "\n"))
}

// harmless returns a text for a log.
func harmless(text string) string {
	const most = 2000
	return clip.Cut(secret.Redact(text), most)
}
