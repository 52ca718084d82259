package llmtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/seed-916e8f6a/toolloop/llm"
)

func (s suite) endedBefore(t *testing.T) error {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errCancelled)
	var l requestLog
	w := &sinkRecorder{}
	resp, err := generate(ctx, s.newModel(t, l.logged(Text("One, two.")).Forever()), streamedQuestion("hi"), w)
	if err := checkCancelled(ctx, resp, err); err != nil {
		return err
	}
	if len(l.all()) > 0 {
		return errors.New("the request was sent although ctx had ended")
	}
	if deltas, _ := w.recorded(); len(deltas) > 0 {
		return fmt.Errorf("the sink got %#v although ctx had ended", deltas[0])
	}
	return nil
}

func (s suite) endedWaiting(t *testing.T) error {
	for _, req := range []*llm.Request{newQuestion("hi"), streamedQuestion("hi")} {
		ctx, cancel := context.WithCancelCause(t.Context())
		release := make(chan struct{})
		m := s.newModel(t, Reply(func(ctx context.Context, _ *llm.Request) (*llm.Response, error) {
			cancel(errCancelled)
			select {
			case <-ctx.Done():
			case <-release:
			}
			return nil, &llm.APIError{Kind: llm.KindServer, Retries: -1, Message: "too late"}
		}).Forever())
		err := s.within("ctx had ended", func() error {
			w := &sinkRecorder{}
			resp, err := generate(ctx, m, req, w)
			return checkCancelled(ctx, resp, err)
		})
		close(release)
		cancel(nil)
		if err != nil {
			return err
		}
	}
	return nil
}

func (s suite) endedAtDelta(t *testing.T) error {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	w := &sinkRecorder{onDelta: func(llm.Delta) { cancel(errCancelled) }}
	m := s.newModel(t, Text("One, two, three, four, five, six.").And(Calls("f", `{"a":"one two three"}`)))
	if err := s.within("ctx had ended", func() error {
		resp, err := generate(ctx, m, streamedQuestion("hi"), w)
		return checkCancelled(ctx, resp, err)
	}); err != nil {
		return err
	}
	deltas, wrong := w.recorded()
	if wrong == nil && len(deltas) > 1 {
		return fmt.Errorf("the sink got %#v after ctx had ended", deltas[1])
	}
	return wrong
}

var errCancelled = errors.New("llmtest: the caller cancelled")

// checkCancelled checks the results of Generate for an ended context.
func checkCancelled(ctx context.Context, resp *llm.Response, err error) error {
	switch cause := context.Cause(ctx); {
	case resp != nil:
		return errors.New("a response came although ctx had ended")
	case err != cause: //nolint:errorlint // the contract is the cause itself
		return fmt.Errorf("got the error %v (%T), want context.Cause: %v", err, err, cause) //nolint:errorlint // no caller may take this for the cause
	}
	return nil
}
