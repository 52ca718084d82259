package mcp

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-916e8f6a/toolloop/internal/invoke"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

const (
	defaultCallTimeout = 2 * time.Minute
	maxCalls           = 256 // calls at a time
	maxKey             = 256 // in bytes
)

// A servedTool is a tool on a server.
type servedTool struct {
	tool    tool.Tool
	gate    *gate // shared by the tools that were added together
	approve func(context.Context, tool.Tool, json.RawMessage) error
	log     *slog.Logger
}

// handle runs one call.
func (s *servedTool) handle(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	args, _, err := s.tool.Parse(string(req.Params.Arguments))
	if err != nil {
		return failedResult(err), nil
	}
	progress := newReporter(ctx, req)
	inSession := context.WithValue(ctx, sessionKey{}, req.Session)
	var parts llm.Parts
	if err = s.checkApproval(inSession, args); err == nil {
		parts, err = s.callWhenFree(inSession, args, keyOf(req), progress)
	}
	progress.end() // after the slots were released, so that a slow client blocks no other call
	switch {
	case err == nil:
		return &sdk.CallToolResult{Content: contentOf(parts)}, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return failedResult(err), nil
}

// checkApproval returns nil if the call may run.
func (s *servedTool) checkApproval(ctx context.Context, args json.RawMessage) error {
	if !s.tool.AsksApproval() {
		return nil
	}
	own, cancel := invoke.Within(ctx, s.timeout())
	defer cancel()
	reason, err := invoke.Ask(own, func() (reason error, err error) {
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("panic: %v", v)
			}
		}()
		if need, _ := s.tool.NeedsApproval(own, args); !need { // if it cannot be decided, need is true
			return nil, nil
		}
		return s.approve(own, s.tool, args), nil
	})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return tool.Fail(tool.Denied, "it is not known whether it may run", err)
	case reason != nil:
		return tool.Fail(tool.Denied, reason.Error(), reason)
	}
	return nil
}

// timeout returns how long a call may take.
func (s *servedTool) timeout() time.Duration {
	return cmp.Or(s.tool.Timeout(), defaultCallTimeout)
}

func failedResult(err error) *sdk.CallToolResult {
	e := invoke.Error(err)
	res := &sdk.CallToolResult{
		Meta:    sdk.Meta{FailureMeta: string(e.Failure)},
		Content: []sdk.Content{&sdk.TextContent{Text: e.Message}},
	}
	res.SetError(e) // for middleware; the content stays as it is
	return res
}

// keyOf returns the idempotency key of a call.
func keyOf(req *sdk.CallToolRequest) string {
	if key, ok := req.Params.Meta[KeyMeta].(string); ok && key != "" && len(key) <= maxKey {
		return key
	}
	return rand.Text()
}

// callWhenFree runs a call as soon as the limits on concurrent calls allow.
func (s *servedTool) callWhenFree(ctx context.Context, args json.RawMessage, key string, progress *reporter) (llm.Parts, error) {
	release, err := s.tool.Acquire(ctx) // first, so that waiting for a busy tool blocks no other tool
	if err != nil {
		return nil, err
	}
	defer release()
	leave, err := s.gate.enter(ctx, s.tool.Alone())
	if err != nil {
		return nil, err
	}
	defer leave()
	return s.invoke(s.tool.WithSlot(ctx), args, key, progress)
}

// invoke calls the tool's function under its deadline.
func (s *servedTool) invoke(ctx context.Context, args json.RawMessage, key string, progress *reporter) (llm.Parts, error) {
	o := invoke.Call{
		Tool: s.tool, Args: args, Info: tool.Call{Key: key, Tool: s.tool.Name()},
		Timeout: s.timeout(), Progress: progress.report,
	}.Do(ctx)
	if o.Err == nil {
		return o.Parts, nil
	}
	if o.Err.Stack != nil && s.log != nil {
		s.log.Error("tool panicked", "tool", s.tool.Name(), "error", o.Err, "stack", string(o.Err.Stack))
	}
	return nil, o.Err
}
