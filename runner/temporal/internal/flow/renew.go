package flow

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"

	"go.temporal.io/sdk/workflow"
)

// isOld reports whether the session should continue as a new execution.
func (s *session) isOld(ctx workflow.Context) bool {
	info := workflow.GetInfo(ctx)
	return info.GetContinueAsNewSuggested() || s.start.MaxHistory > 0 && info.GetCurrentHistoryLength() >= s.start.MaxHistory
}

// fits reports whether the log fits into the arguments of the next execution. The answer no is
// final, because the log only grows.
func (s *session) fits() bool {
	if s.tooLong {
		return false
	}
	packed, err := pack(s.log)
	s.tooLong = err != nil || len(packed) > maxPacked
	return !s.tooLong
}

// next returns the error with which the session continues as a new execution, or nil if it
// must go on in this one: an input waits, or the log is too long.
func (s *session) next(ctx workflow.Context) error {
	if !s.fits() {
		return nil
	}
	s.renew = true
	err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) || s.input != nil })
	if err != nil {
		return err
	}
	packed, err := pack(s.log)
	if s.input != nil || err != nil || len(packed) > maxPacked {
		s.renew = false
		return nil
	}
	s.start.Ended = s.ended
	return workflow.NewContinueAsNewError(ctx, SessionName, s.start, packed)
}

// pack returns the log in a compressed form.
func pack(log []json.RawMessage) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if err := json.NewEncoder(w).Encode(log); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// unpack returns a packed log.
func unpack(packed []byte) ([]json.RawMessage, error) {
	if len(packed) == 0 {
		return nil, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("log of the session: %w", err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("log of the session: %w", err)
	}
	var log []json.RawMessage
	return log, json.Unmarshal(data, &log)
}
