package otel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// isDeferred reports whether the result of a call comes later.
func isDeferred(w *runner.Work) bool {
	_, later := tool.IsLater(w.Err)
	return w.Result == nil && later
}

func isPaused(err error) bool { return errors.Is(err, runner.ErrPaused) }

// kindOf returns the value of error.type: a word of a short list, so that metrics can have
// it. Empty means no error.
func kindOf(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*runner.LimitError](err); ok {
		return "limit." + e.Limit
	}
	if e, ok := errors.AsType[*llm.APIError](err); ok {
		return cmp.Or(string(e.Kind), "_OTHER")
	}
	if e, ok := errors.AsType[*tool.Error](err); ok {
		return string(e.Failure)
	}
	if _, ok := errors.AsType[*runner.FinishError](err); ok {
		return "finish"
	}
	if _, ok := errors.AsType[*runner.OutputError](err); ok {
		return "output"
	}
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "_OTHER"
}

// toolKind returns the value of error.type of a call.
func toolKind(w *runner.Work) string {
	switch {
	case w.Result == nil:
		return cmp.Or(kindOf(w.Err), "_OTHER")
	case w.Result.Failure != "":
		return w.Result.Failure
	case w.Result.Result.IsError:
		return "tool_error"
	}
	return ""
}

// toolError returns the error of a call, as far as it is redacted.
func toolError(w *runner.Work) error {
	if w.Result == nil {
		return nil
	}
	if text := cmp.Or(w.Result.Error, w.Result.Result.Text()); text != "" {
		return errors.New(text)
	}
	return nil
}

// names returns the provider, the model and the server of a request.
func (r *reporter) names(w *runner.Work, state *run) (provider, model, server string) {
	provider = "openai"
	switch {
	case state == nil || !reflect.TypeOf(w.Model).Comparable():
		model, server = nameOf(w.Model)
	case state.model != w.Model:
		state.model = w.Model
		state.name, state.server = nameOf(w.Model)
		fallthrough
	default:
		model, server = state.name, state.server
	}
	if w.Request.Model != "" {
		model = w.Request.Model
	}
	if r.Model != nil {
		provider, model = r.Model(w)
	}
	if r.Server != nil {
		server = r.Server(w)
	}
	return provider, model, server
}

// nameOf returns the name and the server of a model of package openai, also inside of
// wrappers. With several models, the first one names the request. The server is empty if the
// models have several servers.
func nameOf(m llm.Model) (name, server string) {
	if _, ok := m.(fmt.Formatter); !ok {
		return "", "" // fmt would read the fields of a model that is in use
	}
	text := fmt.Sprintf("%+v", m)
	for i := 0; ; i++ {
		_, after, ok := strings.Cut(text, "openai.Model(")
		if !ok {
			return name, server
		}
		quoted, err := strconv.QuotedPrefix(after)
		if err != nil {
			return "", ""
		}
		text = after[len(quoted):]
		at := ""
		if rest, ok := strings.CutPrefix(text, " at "); ok {
			at, _, _ = strings.Cut(rest, ")")
		}
		switch {
		case i == 0:
			name, _ = strconv.Unquote(quoted)
			server = at
		case server != at:
			server = ""
		}
	}
}
