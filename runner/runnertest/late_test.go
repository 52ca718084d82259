package runnertest_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type transferArgs struct {
	To string `json:"to"`
}

// TestEveryCrashLate: a transfer whose result comes from outside, in the ways in which a
// program can treat it. Nothing is doubled, lost or stuck at any point.
func TestEveryCrashLate(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]struct {
		options []tool.Option
		expires bool // nobody hands the result in
	}{
		"the tool may be repeated":  {options: []tool.Option{tool.Idempotent()}},
		"the bank tells":            {},
		"the time is over":          {options: []tool.Option{tool.Idempotent(), tool.LateWithin(time.Minute, "No answer.")}, expires: true},
		"with approval":             {options: []tool.Option{tool.Idempotent(), tool.NeedsApproval()}},
		"the result is that of all": {options: []tool.Option{tool.Idempotent(), tool.Final()}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps := []llmtest.Step{llmtest.Calls("pay", transferArgs{"ann"}), llmtest.Text("Done.")}
			runnertest.EveryCrash(t, steps, func(t *testing.T, w *runnertest.World) runnertest.Life {
				booked := map[string]bool{} // the transfers that the bank knows, by key
				pay := tool.Must(tool.New("pay", "Pays.", func(ctx context.Context, in transferArgs) (string, error) {
					key := tool.CallFrom(ctx).Key
					w.Effect(ctx, key, "pay "+in.To)
					booked[key] = true
					return "", tool.Later("transfer to " + in.To)
				}, way.options...))
				a := &agent.Agent{Name: "clerk", Tools: []tool.Tool{pay}}
				return func(ctx context.Context, r runner.Runner) error {
					result, err := r.Session("s").Run(ctx, a, runner.Once("begin", llm.User("Pay ann.")))
					for errors.Is(err, runner.ErrPaused) {
						result, err = answer(ctx, r.Session("s"), a, result.Pending, booked, way.expires)
					}
					if err == nil {
						require.Equal(t, map[bool]string{true: "No answer.", false: "booked"}[way.expires], result.Messages[2].Results()[0].Text())
					}
					return err
				}
			})
		})
	}
}

// answer is a person who approves, and a bank that knows its transfers.
func answer(ctx context.Context, s *runner.Session, a *agent.Agent, pending []runner.Pending, booked map[string]bool, silent bool) (*runner.Result, error) {
	var in []runner.Input
	for _, p := range pending {
		switch late := (runner.Pending{Key: p.Key}); {
		case p.Late && silent:
			<-time.After(time.Until(p.Until))
		case p.Late, p.InDoubt && booked[p.Key]:
			in = append(in, late.Result(llm.Text{Text: "booked"}))
		case p.InDoubt:
			in = append(in, p.RunAgain())
		default:
			in = append(in, p.Approve())
		}
	}
	result, err := s.Run(ctx, a, in...)
	if err == nil && !silent {
		return s.Run(ctx, a, in...) // the same again is no error
	}
	return result, err
}

// TestExerciseLate: the exercise of an agent ends, although nobody hands in results.
func TestExerciseLate(t *testing.T) {
	t.Parallel()
	external := tool.Must(tool.External[transferArgs, json.RawMessage]("pay", "Pays.", tool.NeedsApproval()))
	later := tool.Must(tool.New("send", "Sends.", func(context.Context, transferArgs) (string, error) { return "", tool.Later("parcel") }))
	result := runnertest.Exercise(t, &agent.Agent{Name: "clerk", Tools: []tool.Tool{external, later}})
	require.Len(t, runnertest.Calls[transferArgs](t, result, "pay"), 1)
	require.Len(t, runnertest.Calls[transferArgs](t, result, "send"), 1)
	require.Contains(t, runnertest.Transcript(result), "has its result later: parcel")
}
