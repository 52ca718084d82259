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
func (r *reporter) names(w *runner.Work) (provider, model, server string) {
	n := r.naming(w.Model)
	provider, model, server = "openai", cmp.Or(w.Request.Model, n.model), n.server
	if r.Model != nil {
		provider, model = r.Model(w)
	}
	if r.Server != nil {
		server = r.Server(w)
	}
	return provider, model, server
}

// A naming has the names that a model says about itself.
type naming struct{ model, server string }

// maxNamed bounds the models whose names are kept, because the models are kept, too.
const maxNamed = 16

// naming returns the names of a model. Each model is asked once, because the answer is a
// text to read, which takes longer than the rest of a span.
func (r *reporter) naming(m llm.Model) naming {
	if _, ok := m.(fmt.Formatter); !ok {
		return naming{} // fmt would read the fields of a model that is in use
	}
	if !reflect.ValueOf(m).Comparable() {
		return nameOf(m)
	}
	r.mu.RLock()
	n, ok := r.named[m]
	r.mu.RUnlock()
	if ok {
		return n
	}
	n = nameOf(m)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.named == nil || len(r.named) >= maxNamed {
		r.named = map[llm.Model]naming{}
	}
	r.named[m] = n
	return n
}

// nameOf returns the name and the server of a model of package openai, also inside of
// wrappers. With several models, the first one names the request. The server is empty if the
// models have several servers.
func nameOf(m llm.Model) (n naming) {
	text := fmt.Sprintf("%+v", m)
	for i := 0; ; i++ {
		_, after, ok := strings.Cut(text, "openai.Model(")
		if !ok {
			return n
		}
		quoted, err := strconv.QuotedPrefix(after)
		if err != nil {
			return naming{}
		}
		text = after[len(quoted):]
		at := ""
		if rest, ok := strings.CutPrefix(text, " at "); ok {
			at, _, _ = strings.Cut(rest, ")")
		}
		switch {
		case i == 0:
			n.model, _ = strconv.Unquote(quoted)
			n.server = at
		case n.server != at:
			n.server = ""
		}
	}
}
