package mcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// TestServiceApproves: a call that needs approval runs if the policy allows the call,
// and only then.
func TestServiceApproves(t *testing.T) {
	t.Parallel()
	type in struct {
		Amount int `json:"amount"`
	}
	large := tool.NeedsApprovalIf(func(_ context.Context, a in) (bool, error) {
		if a.Amount < 0 {
			return false, errors.New("no amount")
		}
		return a.Amount > 100, nil
	})
	yes := func(context.Context, tool.Tool, json.RawMessage) error { return nil }
	no := func(_ context.Context, one tool.Tool, args json.RawMessage) error {
		return errors.New(one.Name() + " " + string(args))
	}
	denied := func(reason string) string {
		return "The call was denied: " + reason + ". It did not run. Do not repeat it: go on without it, or ask the user."
	}
	const unjudged = "it is not known whether it may run"
	for name, tt := range map[string]struct {
		need    tool.Option
		approve func(context.Context, tool.Tool, json.RawMessage) error
		args    string
		want    string
		failure string
		took    time.Duration
	}{
		"approved":              {tool.NeedsApproval(), yes, `{"amount":1}`, "Paid.", "", 0},
		"denied":                {tool.NeedsApproval(), no, `{"amount":1}`, denied(`pay {"amount":1}`), "denied", 0},
		"what is repaired":      {tool.NeedsApproval(), no, `{"amount":"1"}`, denied(`pay {"amount":1}`), "denied", 0},
		"what does not fit":     {tool.NeedsApproval(), no, `{"amount":"much"}`, "", "invalid_arguments", 0},
		"small":                 {large, no, `{"amount":1}`, "Paid.", "", 0},
		"large":                 {large, no, `{"amount":101}`, denied(`pay {"amount":101}`), "denied", 0},
		"large and approved":    {large, yes, `{"amount":101}`, "Paid.", "", 0},
		"what cannot be judged": {large, no, `{"amount":-1}`, denied(`pay {"amount":-1}`), "denied", 0},
		"a policy that panics":  {tool.NeedsApproval(), func(context.Context, tool.Tool, json.RawMessage) error { panic("out of cheese") }, `{"amount":1}`, denied(unjudged), "denied", 0},
		"a policy that is late": {tool.NeedsApproval(), func(ctx context.Context, _ tool.Tool, _ json.RawMessage) error { <-ctx.Done(); return nil }, `{"amount":1}`, denied(unjudged), "denied", time.Minute},
		"a policy that knows whom": {tool.NeedsApproval(), func(ctx context.Context, _ tool.Tool, _ json.RawMessage) error {
			if mcp.SessionFrom(ctx) == nil {
				return errors.New("no session")
			}
			return nil
		}, `{"amount":1}`, "Paid.", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ran := false
				pay := made(tool.New("pay", "Pays.", func(context.Context, in) (string, error) { ran = true; return "Paid.", nil }, tt.need, tool.Timeout(time.Minute)))
				s := serve(t)
				require.NoError(t, mcp.Service{Approve: tt.approve}.AddTools(s.Server, pay))
				client := s.client(t, nil)
				start := time.Now()
				text, failure := said(t, call(t, client, "pay", tt.args))
				require.Equal(t, tt.failure, failure)
				require.Equal(t, tt.failure == "", ran)
				require.Equal(t, tt.took, time.Since(start).Truncate(time.Second))
				if tt.want != "" {
					require.Equal(t, tt.want, text)
				}
			})
		})
	}
}

// TestServiceServes: the Serve of a Service uses the policy and the hints.
func TestServiceServes(t *testing.T) {
	t.Parallel()
	pay := sleeper("pay", 0, tool.NeedsApproval())
	service := mcp.Service{
		Approve: func(context.Context, tool.Tool, json.RawMessage) error { return errors.New("not now") },
		Hints:   map[string]*sdk.ToolAnnotations{"pay": {IdempotentHint: true}},
	}
	ours, theirs := sdk.NewInMemoryTransports()
	served := make(chan error, 1)
	go func() { served <- service.Serve(t.Context(), ours, pay) }()
	client, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), theirs, nil)
	require.NoError(t, err)
	list, err := client.ListTools(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, &sdk.ToolAnnotations{IdempotentHint: true}, list.Tools[0].Annotations)
	_, failure := said(t, call(t, client, "pay", `{}`))
	require.Equal(t, "denied", failure)
	require.NoError(t, client.Close())
	require.NoError(t, <-served)
	require.EqualError(t, mcp.Service{}.AddTools(nil, pay), "mcp: the server is nil")
}
