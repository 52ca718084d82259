package otel_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestDeferred: a call whose result comes later is no failure, and its result has no span.
func TestDeferred(t *testing.T) {
	t.Parallel()
	c, b, flush := telemetry(t)
	pay := tool.Must(tool.New("pay", "Pays.", func(context.Context, struct{}) (string, error) { return "", tool.Later("transfer-17") }))
	a := &agent.Agent{Name: "desk", Model: llmtest.Script(t, llmtest.Calls("pay", nil), llmtest.Text("Paid.")), Tools: []tool.Tool{pay}}
	session := runner.Runner{Around: c.Around(), Logger: quiet()}.Session("s")
	result, err := session.Run(t.Context(), a, runner.Say(llm.User("Pay.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	_, err = session.Run(t.Context(), a, result.Pending[0].Result(llm.Text{Text: "booked"}))
	require.NoError(t, err)
	flush()
	require.Equal(t, []string{"invoke_agent desk internal", "  chat client", "  execute_tool pay internal", "invoke_agent desk internal", "  chat client"}, b.tree())
	require.Empty(t, b.logs)
	for _, s := range b.spans {
		attrs := attributes(s.GetAttributes())
		hold(t, s.GetName(), s.GetKind().String(), attrs)
		require.Equal(t, trace.Status_STATUS_CODE_UNSET, s.GetStatus().GetCode())
		require.Equal(t, s.GetName() == "execute_tool pay", attrs["toolloop.call.deferred"] == true)
	}
}
