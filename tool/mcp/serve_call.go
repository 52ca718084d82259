package mcp

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

const (
	defaultCallTimeout = 2 * time.Minute
	maxCalls           = 256             // at a time
	leftBehindAfter    = 5 * time.Second // a function has that long to heed its context
	maxKey             = 256             // bytes
)

// served is a tool on a server.
type served struct {
	tool     tool.Tool
	together *gate // of the tools that were added together
}

// handle answers one call.
func (s *served) handle(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	args, _, err := s.tool.Parse(string(req.Params.Arguments))
	if err != nil {
		return failedResult(err), nil
	}
	progress := reportTo(ctx, req)
	parts, err := s.whenFree(context.WithValue(ctx, sessionKey{}, req.Session), args, keyOf(req), progress)
	progress.end() // the slots are free by now: a client that does not read holds up only itself
	switch {
	case err == nil:
		return &sdk.CallToolResult{Content: contentOf(parts)}, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return failedResult(err), nil
}

func failedResult(err error) *sdk.CallToolResult {
	e, ok := errors.AsType[*tool.Error](err)
	if !ok {
		e = tool.Fail(tool.Failed, err.Error(), err)
	}
	res := &sdk.CallToolResult{
		Meta:    sdk.Meta{FailureMeta: string(e.Failure)},
		Content: []sdk.Content{&sdk.TextContent{Text: e.Message}},
	}
	res.SetError(e) // for the server's middleware; the content stays
	return res
}

// keyOf is the idempotency key of a call.
func keyOf(req *sdk.CallToolRequest) string {
	if key, ok := req.Params.Meta[KeyMeta].(string); ok && key != "" && len(key) <= maxKey {
		return key
	}
	return rand.Text()
}

// whenFree runs a call as soon as the limits on concurrent calls allow.
func (s *served) whenFree(ctx context.Context, args json.RawMessage, key string, progress *reporter) (llm.Parts, error) {
	release, err := s.tool.Acquire(ctx) // first: a busy tool keeps no other from running
	if err != nil {
		return nil, err
	}
	defer release()
	leave, err := s.together.enter(ctx, s.tool.Alone())
	if err != nil {
		return nil, err
	}
	defer leave()
	return s.invoke(s.tool.Holding(ctx), args, key, progress)
}

// invoke calls the tool's function under its deadline.
func (s *served) invoke(ctx context.Context, args json.RawMessage, key string, progress *reporter) (llm.Parts, error) {
	client := ctx
	timeout := cmp.Or(s.tool.Timeout(), defaultCallTimeout)
	ctx, cancel := within(ctx, timeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	call := tool.Call{Key: key, Tool: s.tool.Name(), Deadline: deadline}
	o := await(ctx, s.start(tool.WithCall(ctx, call, progress.tell), args))
	if o.err != nil && ctx.Err() != nil && client.Err() == nil {
		cause := context.DeadlineExceeded
		if e, ok := errors.AsType[*tool.Error](o.err); ok {
			cause = cmp.Or(e.Err, cause)
		}
		return nil, tool.Fail(tool.TimedOut, timeout.String(), cause)
	}
	return o.parts, o.err
}

// within bounds the time of a call; -1: not at all.
func within(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout > 0 {
		return context.WithTimeout(ctx, timeout)
	}
	return context.WithCancel(ctx)
}

// outcome is what came of a call.
type outcome struct {
	parts llm.Parts
	err   error
}

var (
	errGoexit = errors.New("the tool's function called runtime.Goexit")
	errLate   = errors.New("the tool's function did not return after its context ended")
)

// start calls the function on a goroutine of its own, so that one that ignores its
// context can be left behind.
func (s *served) start(ctx context.Context, args json.RawMessage) <-chan outcome {
	done := make(chan outcome, 1)
	go func() { // await waits for it as long as it keeps to its context
		o := outcome{err: tool.Fail(tool.Failed, "The tool ended without a result.", errGoexit)}
		defer func() { done <- o }()
		parts, err := s.tool.Call(ctx, args)
		o = outcome{parts, err}
	}()
	return done
}

// await waits for the outcome, until some time after ctx ended.
func await(ctx context.Context, done <-chan outcome) outcome {
	select {
	case o := <-done:
		return o
	case <-ctx.Done():
	}
	timer := time.NewTimer(leftBehindAfter)
	defer timer.Stop()
	select {
	case o := <-done:
		return o
	case <-timer.C:
		return outcome{err: tool.Fail(tool.OutcomeUnknown, "", errLate)}
	}
}
