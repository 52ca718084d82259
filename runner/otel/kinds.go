package otel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"

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

// names returns the provider and the model of a request.
func (r *reporter) names(w *runner.Work, state *run) (provider, model string) {
	switch {
	case r.Model != nil:
		return r.Model(w)
	case w.Request.Model != "":
		return "openai", w.Request.Model
	case state == nil || !reflect.TypeOf(w.Model).Comparable():
		return "openai", nameOf(w.Model)
	case state.model != w.Model:
		state.model, state.name = w.Model, nameOf(w.Model)
	}
	return "openai", state.name
}

var openaiModel = regexp.MustCompile(`\bopenai\.Model\("([^"\\]*)"\)`)

// nameOf returns the name of a model of package openai, also inside of wrappers.
func nameOf(m llm.Model) string {
	if _, ok := m.(fmt.Formatter); !ok {
		return "" // fmt would read the fields of a model that is in use
	}
	if found := openaiModel.FindStringSubmatch(fmt.Sprint(m)); found != nil {
		return found[1]
	}
	return ""
}
