package tool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type bookingArgs struct {
	To string `json:"to"`
}

// TestLater: the error of a function reaches the engine through every wrap, and other callers
// read that they cannot wait.
func TestLater(t *testing.T) {
	t.Parallel()
	for _, err := range []error{tool.Later("h"), fmt.Errorf("bank: %w", tool.Later("h")), &tool.Error{Err: tool.Later("h")}} {
		later := tool.Must(tool.New("book", "Books.", func(context.Context, bookingArgs) (string, error) { return "", err }))
		_, got := later.Call(t.Context(), json.RawMessage(`{"to":"ann"}`))
		handle, ok := tool.IsLater(got)
		require.True(t, ok)
		require.Equal(t, "h", handle)
	}
	later := tool.Must(tool.New("book", "Books.", func(context.Context, bookingArgs) (string, error) { return "", tool.Later("h") }))
	_, got := later.Call(t.Context(), json.RawMessage(`{"to":"ann"}`))
	failed, ok := errors.AsType[*tool.Error](got)
	require.True(t, ok)
	require.Equal(t, tool.Deferred, failed.Failure)
	require.Equal(t, "The call was started, and its result comes later. This caller cannot wait for the result: do not repeat the call.", failed.Message)
	for _, err := range []error{nil, errors.New("x"), tool.Retry("x"), tool.Abort(nil)} {
		_, ok := tool.IsLater(err)
		require.False(t, ok)
	}
}

// TestReconcileLater: a tool can know that a call happened and that its result comes later.
func TestReconcileLater(t *testing.T) {
	t.Parallel()
	later := tool.Must(tool.New("book", "Books.", func(context.Context, bookingArgs) (string, error) { return "", nil },
		tool.Reconcile(func(context.Context, tool.Call, json.RawMessage) (string, bool, error) {
			return "", false, tool.Later("h")
		})))
	_, happened, err := later.Reconcile(t.Context(), tool.Call{}, nil)
	require.True(t, happened)
	handle, _ := tool.IsLater(err)
	require.Equal(t, "h", handle)
}

func TestLateWithin(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{0, -1, -time.Hour} {
		_, err := tool.External[bookingArgs, string]("book", "Books.", tool.LateWithin(d, ""))
		require.ErrorContains(t, err, "must be positive")
	}
	within, text := tool.Must(tool.External[bookingArgs, string]("book", "Books.", tool.LateWithin(time.Hour, "Nothing."))).LateWithin()
	require.Equal(t, time.Hour, within)
	require.Equal(t, "Nothing.", text)
	within, _ = tool.Tool{}.LateWithin()
	require.Zero(t, within)
}

type voucher struct {
	Number int           `json:"number" jsonschema:"minimum=1"`
	Lasts  time.Duration `json:"lasts,omitempty"`
}

// TestExternal: what a tool without a function is, and which results fit it.
func TestExternal(t *testing.T) {
	t.Parallel()
	schema := json.RawMessage(`{"type":"object","properties":{"to":{"type":"string"}},"required":["to"],"additionalProperties":false}`)
	object := tool.Must(tool.External[bookingArgs, voucher]("book", "Books."))
	require.True(t, object.External())
	require.False(t, tool.Tool{}.External())
	require.Equal(t, tool.Must(tool.New("book", "Books.", func(context.Context, bookingArgs) (voucher, error) { return voucher{}, nil })).Fingerprint(), object.Fingerprint())
	_, err := object.Call(t.Context(), json.RawMessage(`{"to":"ann"}`))
	_, later := tool.IsLater(err)
	require.True(t, later)

	list := tool.Must(tool.ExternalRaw[[]int]("book", "Books.", schema))
	free := tool.Must(tool.External[bookingArgs, any]("book", "Books."))
	short := tool.Must(tool.External[bookingArgs, string]("book", "Books.", tool.MaxResult(300)))
	for _, tt := range []struct {
		tool  tool.Tool
		parts llm.Parts
		want  string // of the result, or of the error
		wrong bool
	}{
		{object, llm.Parts{llm.Text{Text: `{"number":7,"lasts":"1h"}`}}, `{"number":7,"lasts":"1h"}`, false},
		{object, llm.Parts{llm.Text{Text: `{"number":0}`}}, "/number: must be >= 1", true},
		{object, llm.Parts{llm.Text{Text: `{"number":"7"}`}}, "the result does not match its schema", true},
		{object, llm.Parts{llm.Text{Text: `{"number":7,}`}}, "the result is not JSON", true},
		{object, nil, "must be one text with JSON", true},
		{object, llm.Parts{llm.Image{URL: "https://x.example/a.png"}}, "must be a text with JSON", true},
		{list, llm.Parts{llm.Text{Text: `[1,2]`}}, `[1,2]`, false},
		{list, llm.Parts{llm.Text{Text: `{"value":[1]}`}}, "the result does not match its schema", true},
		{free, llm.Parts{llm.Text{Text: "fine"}}, "fine", false},
		{free, nil, "(no output)", false},
		{free, llm.Parts{llm.Text{Text: "postgres://ann:s3cret@db/x"}}, "postgres://[redacted]@db/x", false},
		{tool.Tool{}, nil, "There is no tool named", true},
	} {
		parts, err := tt.tool.LateResult(t.Context(), tt.parts)
		if tt.wrong {
			require.ErrorContains(t, err, tt.want)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, llm.Parts{llm.Text{Text: tt.want}}, parts)
	}
	parts, err := short.LateResult(t.Context(), llm.Parts{llm.Text{Text: strings.Repeat("x", 1000)}})
	require.NoError(t, err)
	require.Less(t, len(parts[0].(llm.Text).Text), 500)

	_, err = tool.External[bookingArgs, chan int]("book", "Books.")
	require.ErrorContains(t, err, `tool "book"`)
	_, err = tool.External[int, string]("book", "Books.")
	require.ErrorContains(t, err, `tool "book"`)
	_, err = tool.ExternalRaw[chan int]("book", "Books.", schema)
	require.ErrorContains(t, err, `tool "book"`)
}
