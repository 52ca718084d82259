package tool_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type payArgs struct {
	Cents int `json:"cents"`
}

func pays(t *testing.T, opts ...tool.Option) tool.Tool {
	t.Helper()
	made, err := tool.New("pay", "Pays.", func(context.Context, payArgs) (string, error) { return "paid", nil }, opts...)
	require.NoError(t, err)
	return made
}

func TestNeedsApproval(t *testing.T) {
	t.Parallel()
	over := func(limit int) tool.Option {
		return tool.NeedsApprovalIf(func(_ context.Context, in payArgs) (bool, error) { return in.Cents > limit, nil })
	}
	for _, tt := range []struct {
		name string
		opts []tool.Option
		need bool
		err  string
	}{
		{"by default", nil, false, ""},
		{"always", []tool.Option{tool.NeedsApproval()}, true, ""},
		{"above", []tool.Option{over(100)}, true, ""},
		{"below", []tool.Option{over(1000)}, false, ""},
		{"of raw arguments", []tool.Option{tool.NeedsApprovalIf(func(_ context.Context, in json.RawMessage) (bool, error) { return string(in) == `{"cents":500}`, nil })}, true, ""},
		{"an error asks", []tool.Option{tool.NeedsApprovalIf(func(context.Context, payArgs) (bool, error) { return false, errors.New("no rates") })}, true, "no rates"},
		{"a panic asks", []tool.Option{tool.NeedsApprovalIf(func(context.Context, payArgs) (bool, error) { panic("boom") })}, true, "panicked: panic: boom"},
	} {
		need, err := pays(t, tt.opts...).NeedsApproval(t.Context(), json.RawMessage(`{"cents":500}`))
		require.Equal(t, tt.need, need, tt.name)
		if tt.err != "" {
			require.EqualError(t, err, tt.err, tt.name)
			continue
		}
		require.NoError(t, err, tt.name)
	}
	need, err := tool.Tool{}.NeedsApproval(t.Context(), nil)
	require.NoError(t, err)
	require.False(t, need)
	_, err = tool.New("pay", "", func(context.Context, payArgs) (string, error) { return "", nil }, tool.NeedsApprovalIf[payArgs](nil))
	require.EqualError(t, err, `tool "pay": the function of NeedsApprovalIf is nil`)
}

// Further properties of a foreign schema must not overwrite the decoded arguments.
func TestNeedsApprovalIfIsNotPassedByCase(t *testing.T) {
	t.Parallel()
	pay, err := tool.NewRaw("pay", "", json.RawMessage(`{"properties":{"cents":{"type":"integer"}}}`), echo,
		tool.NeedsApprovalIf(func(_ context.Context, in payArgs) (bool, error) { return in.Cents > 100, nil }))
	require.NoError(t, err)
	args, _, err := pay.Parse(`{"cents":500,"Cents":1}`)
	require.NoError(t, err)
	need, err := pay.NeedsApproval(t.Context(), args)
	require.EqualError(t, err, `(top level): unknown property "Cents"; did you mean "cents"?`)
	require.True(t, need)

	args, _, err = pay.Parse(`{"cents":50,"memo":"x"}`)
	require.NoError(t, err)
	need, err = pay.NeedsApproval(t.Context(), args)
	require.NoError(t, err)
	require.False(t, need)
}

// TestForeignPolicy: a policy about missing fields would approve everything.
func TestForeignPolicy(t *testing.T) {
	t.Parallel()
	type amount struct {
		Amount int `json:"amount"`
	}
	fn := func(context.Context, payArgs) (string, error) { return "", nil }
	raw := func(opt tool.Option) error {
		_, err := tool.NewRaw("pay", "", json.RawMessage(`{"properties":{"cents":{"type":"integer"}}}`), func(context.Context, json.RawMessage) (string, error) { return "", nil }, opt)
		return err
	}
	_, err := tool.New("pay", "", fn, tool.NeedsApprovalIf(func(context.Context, amount) (bool, error) { return false, nil }))
	require.EqualError(t, err, `tool "pay": NeedsApprovalIf takes tool_test.amount, but the arguments are tool_test.payArgs`)
	_, err = tool.New("pay", "", fn, tool.NeedsApprovalIf(func(context.Context, map[string]any) (bool, error) { return false, nil }))
	require.Error(t, err)
	_, err = tool.New("pay", "", fn, tool.NeedsApprovalIf(func(context.Context, *payArgs) (bool, error) { return false, nil }))
	require.NoError(t, err)
	require.EqualError(t, raw(tool.NeedsApprovalIf(func(context.Context, amount) (bool, error) { return false, nil })),
		`tool "pay": NeedsApprovalIf takes the property "amount", which the schema does not declare`)
	require.EqualError(t, raw(tool.NeedsApprovalIf(func(context.Context, map[string]any) (bool, error) { return false, nil })),
		`tool "pay": NeedsApprovalIf takes map[string]interface {}; use json.RawMessage or a struct`)
	require.NoError(t, raw(tool.NeedsApprovalIf(func(context.Context, payArgs) (bool, error) { return false, nil })))
}

func TestReconcile(t *testing.T) {
	t.Parallel()
	c := tool.Call{Key: "k"}
	args := json.RawMessage(`{"cents":500}`)
	knows := pays(t, tool.Reconcile(func(ctx context.Context, got tool.Call, args json.RawMessage) (map[string]string, bool, error) {
		require.Equal(t, got.Key, tool.CallFrom(ctx).Key)
		return map[string]string{got.Key: string(args)}, true, nil
	}))
	parts, happened, err := knows.Reconcile(t.Context(), c, args)
	require.NoError(t, err)
	require.True(t, happened)
	require.Equal(t, llm.Parts{llm.Text{Text: `{"k":"{\"cents\":500}"}`}}, parts)

	for name, opts := range map[string][]tool.Option{
		"none": nil,
		"error": {tool.Reconcile(func(context.Context, tool.Call, json.RawMessage) (string, bool, error) {
			return "", true, errors.New("no answer")
		})},
		"panic": {tool.Reconcile(func(context.Context, tool.Call, json.RawMessage) (string, bool, error) { panic("boom") })},
		"no text": {tool.Reconcile(func(context.Context, tool.Call, json.RawMessage) ([]byte, bool, error) {
			return []byte("\xff"), true, nil
		})},
	} {
		parts, happened, err := pays(t, opts...).Reconcile(t.Context(), c, args)
		require.Error(t, err, name)
		require.False(t, happened, name)
		require.Nil(t, parts, name)
	}
	_, happened, err = pays(t, tool.Reconcile(func(context.Context, tool.Call, json.RawMessage) (string, bool, error) { return "", false, nil })).Reconcile(t.Context(), c, args)
	require.NoError(t, err)
	require.False(t, happened)
}
