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
	maxCalls           = 256 // at a time
	maxKey             = 256 // bytes
)

// served is a tool on a server.
type served struct {
	tool     tool.Tool
	together *gate // of the tools that were added together
	approve  func(context.Context, tool.Tool, json.RawMessage) error
	log      *slog.Logger
}

// handle answers one call.
func (s *served) handle(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	args, _, err := s.tool.Parse(string(req.Params.Arguments))
	if err != nil {
		return failedResult(err), nil
	}
	progress := reportTo(ctx, req)
	inSession := context.WithValue(ctx, sessionKey{}, req.Session)
	var parts llm.Parts
	if err = s.judge(inSession, args); err == nil {
		parts, err = s.whenFree(inSession, args, keyOf(req), progress)
	}
	progress.end() // the slots are free by now: a client that does not read holds up only itself
	switch {
	case err == nil:
		return &sdk.CallToolResult{Content: contentOf(parts)}, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return failedResult(err), nil
}

// judge returns nil if a call may run.
func (s *served) judge(ctx context.Context, args json.RawMessage) error {
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
		if need, _ := s.tool.NeedsApproval(own, args); !need { // what cannot be judged needs it
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

// timeout is how long a call may take.
func (s *served) timeout() time.Duration {
	return cmp.Or(s.tool.Timeout(), defaultCallTimeout)
}

func failedResult(err error) *sdk.CallToolResult {
	e := invoke.Error(err)
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
	o := invoke.Call{
		Tool: s.tool, Args: args, Info: tool.Call{Key: key, Tool: s.tool.Name()},
		Timeout: s.timeout(), Progress: progress.tell,
	}.Do(ctx)
	if o.Err == nil {
		return o.Parts, nil
	}
	if o.Err.Stack != nil && s.log != nil {
		s.log.Error("tool panicked", "tool", s.tool.Name(), "error", o.Err, "stack", string(o.Err.Stack))
	}
	return nil, o.Err
}
