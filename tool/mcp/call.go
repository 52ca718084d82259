package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// KeyMeta names the member of a call's _meta that holds [tool.Call].Key.
const KeyMeta = "toolloop/key"

// caller is the function of a tool.
func (l *link) caller(d Definition) func(context.Context, json.RawMessage) (llm.Parts, error) {
	return func(ctx context.Context, args json.RawMessage) (llm.Parts, error) {
		session, err := l.connected(ctx)
		if err != nil {
			return nil, tool.Fail(tool.Failed, "The call was not made: the server of the tool cannot be reached.", err)
		}
		token, done := l.watch(tool.CallFrom(ctx))
		defer done()
		params := &sdk.CallToolParams{Name: d.Name, Arguments: args, Meta: sdk.Meta{"progressToken": token}}
		if key := tool.CallFrom(ctx).Key; key != "" {
			params.Meta[KeyMeta] = key
		}
		res, err := session.CallTool(ctx, params)
		if err != nil {
			return nil, callFailure(err)
		}
		return result(carried(res.Meta))
	}
}

func (l *link) watch(c tool.Call) (token string, done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	token = fmt.Sprint("p", l.last)
	l.tokens[token] = c.Progress
	return token, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.tokens, token)
	}
}

func callFailure(err error) error {
	if e, ok := errors.AsType[*jsonrpc.Error](err); ok {
		if e.Code == jsonrpc.CodeInvalidParams {
			return tool.Fail(tool.InvalidArguments, e.Message, err)
		}
		return tool.Fail(tool.Failed, e.Message, err)
	}
	return tool.Fail(tool.OutcomeUnknown, "", err)
}
