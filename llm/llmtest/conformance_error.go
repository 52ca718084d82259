package llmtest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
)

func (s suite) kind(t *testing.T, kind llm.ErrorKind) error {
	for _, req := range []*llm.Request{newQuestion("hi"), streamedQuestion("hi")} {
		_, err := s.failure(t, req, &llm.APIError{Kind: kind})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s suite) failure(t *testing.T, req *llm.Request, want *llm.APIError) (*llm.APIError, error) {
	m := s.newModel(t, Fail(want).Forever())
	var api *llm.APIError
	err := s.within("the provider failed", func() error {
		resp, err := generate(t.Context(), m, req, &sinkRecorder{})
		got, ok := errors.AsType[*llm.APIError](err)
		switch api = got; {
		case resp != nil:
			return errors.New("got a response, and the provider failed")
		case !ok:
			return fmt.Errorf("got the error %w (%T), want an *llm.APIError", err, err)
		case got.Kind != want.Kind:
			return fmt.Errorf("got an error of kind %q, want %q: %w", got.Kind, want.Kind, err)
		}
		return nil
	})
	return api, err
}

// brokenOff accepts two reactions to an answer that breaks off: an error, or a new
// attempt with a delta [llm.Restarted].
func (s suite) brokenOff(t *testing.T) error {
	const whole = "One, two, three, four."
	w := &sinkRecorder{}
	m := s.newModel(t, Text(whole).With(Cut(2)), Text(whole).Forever())
	return s.within("the answer broke off", func() error {
		resp, err := generate(t.Context(), m, streamedQuestion("hi"), w)
		if err != nil {
			api, ok := errors.AsType[*llm.APIError](err)
			if resp != nil || !ok || !api.Retryable() {
				return fmt.Errorf("got %v and the error %w (%T), want an *llm.APIError that is retryable", resp, err, err)
			}
			return nil
		}
		deltas, wrong := w.recorded()
		shown, _, _, err := joinDeltas(deltas)
		return errors.Join(wrong, err,
			expect("the text after an answer that broke off", whole, resp.Message.Text()),
			expect("the text of the deltas after an answer that broke off", whole, shown))
	})
}

func (s suite) retryAfter(t *testing.T) error {
	got, err := s.failure(t, newQuestion("hi"), &llm.APIError{Kind: llm.KindRateLimit, RetryAfter: 2 * time.Hour})
	if err != nil {
		return err
	}
	if !got.Retryable() {
		return errors.New("a rate limit is retryable, and the error says that it is not")
	}
	return expect("RetryAfter", 2*time.Hour, got.RetryAfter)
}
