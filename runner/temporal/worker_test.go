package temporal_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/tied"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/temporal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// The processes of the kill tests are this test binary, with an environment: the address of
// the server in TOOLLOOP_TEMPORAL_WORKER, the task queue, and the book of the effects.

// storing returns the agent of the kill tests: pay may run again, and look finds out what happened.
// post may not run again, confirm needs approval, and the result of ship comes from outside. A client
// needs no book.
func storing(b *book) *agent.Agent {
	act := func(ctx context.Context, item string, once bool) error {
		c := tool.CallFrom(ctx)
		if err := b.begin(ctx, c.Key); err != nil {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
		if err := b.act(context.WithoutCancel(ctx), c, item, once); err != nil {
			return err
		}
		_ = pause(ctx) // the effect has happened, also if the run is canceled
		return nil
	}
	do := func(ctx context.Context, in order) (string, error) {
		return "Done: " + in.Order, act(ctx, in.Order, tool.CallFrom(ctx).Tool == "pay")
	}
	ship := func(ctx context.Context, in order) (string, error) {
		if err := act(ctx, in.Order, true); err != nil {
			return "", err
		}
		return "", tool.Later(in.Order)
	}
	ask := func(ctx context.Context, c tool.Call, _ json.RawMessage) (string, bool, error) {
		is, err := b.happened(ctx, c.Key, c.Fence)
		return "Done: as the book says", is, err
	}
	return &agent.Agent{Name: "store", Tools: []tool.Tool{
		tool.Must(tool.New("pay", "Pays an order.", do, tool.Idempotent())),
		tool.Must(tool.New("post", "Posts an order.", do)),
		tool.Must(tool.New("look", "Orders with a receipt.", do, tool.Reconcile(ask))),
		tool.Must(tool.New("confirm", "Confirms an order.", do, tool.NeedsApproval())),
		tool.Must(tool.New("ship", "Ships an order.", ship, tool.Idempotent())),
	}}
}

// pause is half of the time of a call: a worker dies before or after the effect.
func pause(ctx context.Context) error {
	half, _ := strconv.Atoi(os.Getenv("TOOLLOOP_TEMPORAL_TOOL_MS"))
	select {
	case <-time.After(time.Duration(half) * time.Millisecond / 2):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// note adds a line to a file of the directory, in one write.
func note(dir, file, line string) {
	f, err := os.OpenFile(filepath.Join(dir, "notes."+file), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, _ = f.WriteString(line + "\n")
		_ = f.Close()
	}
}

// storeTurns is the number of turns with calls.
const storeTurns = 3

// storeModel makes calls for a few turns, and remembers nothing. The first word of the
// question names the tools, or says "tell" for an answer in pieces.
func storeModel(dir string) llm.Model {
	return llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		turn := 0
		for _, m := range req.Messages {
			if m.Role == llm.RoleAssistant {
				turn++
			}
		}
		question := req.Messages[0].Text()
		if question == "tell" {
			return tell(ctx, dir, req, sink)
		}
		if turn == storeTurns || strings.HasPrefix(question, "confirm") && turn == 1 {
			return llmtest.NewScript(llmtest.Text("All done.")).Generate(ctx, req, sink)
		}
		var step llmtest.Step
		for i, name := range strings.Split(strings.Fields(question)[0], "+") {
			call := llmtest.Calls(name, order{fmt.Sprintf("W%d", turn)})
			if i == 0 {
				step = call
			} else {
				step = step.And(call)
			}
		}
		return llmtest.NewScript(step).Generate(ctx, req, sink)
	})
}

// tell begins an answer, and goes on when the test has noted "go".
func tell(ctx context.Context, dir string, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
	sink(llm.TextDelta{Text: "Once "})
	for {
		if _, err := os.Stat(filepath.Join(dir, "notes.go")); err == nil {
			sink(llm.TextDelta{Text: "upon a time."})
			return llmtest.NewScript(llmtest.Text("Once upon a time.")).Generate(ctx, req, func(llm.Delta) {})
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// workerMain is a worker process. It ends in order at SIGTERM.
func workerMain(address string) {
	c, err := dial(address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	b, err := openBook(os.Getenv("TOOLLOOP_TEMPORAL_BOOK"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	dir := filepath.Dir(b.file)
	w := temporal.Worker{
		Temporal: c, TaskQueue: os.Getenv("TOOLLOOP_TEMPORAL_QUEUE"), Agents: []*agent.Agent{storing(b)},
		Runner: runner.Runner{Model: storeModel(dir)},
		Watch: func(_ context.Context, l event.Live) {
			if data, err := json.Marshal(l); err == nil {
				note(dir, "live", string(data))
			}
		},
		Options: worker.Options{StickyScheduleToStartTimeout: time.Second},
	}
	if seed, err := strconv.ParseUint(os.Getenv("TOOLLOOP_TEMPORAL_STORM"), 10, 64); err == nil {
		inStorm(&w, dir, seed)
	}
	err = w.Run(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A process is a worker process of a test.
type process struct{ cmd *exec.Cmd }

// spawn starts a worker process. The end of the test kills it.
func spawn(t *testing.T, b *book, toolTime time.Duration, env ...string) *process {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	tied.Tie(cmd)
	cmd.Env = append(os.Environ(), "TOOLLOOP_TEMPORAL_WORKER="+started.address, "TOOLLOOP_TEMPORAL_QUEUE="+name(t),
		"TOOLLOOP_TEMPORAL_BOOK="+b.file, fmt.Sprintf("TOOLLOOP_TEMPORAL_TOOL_MS=%d", toolTime.Milliseconds()))
	cmd.Env = append(cmd.Env, env...)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	p := &process{cmd}
	t.Cleanup(p.kill)
	return p
}

func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// stop ends the process in order.
func (p *process) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.cmd.Wait())
}

// eventually waits until is reports true, or the test fails.
func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !is(); {
		require.True(t, time.Now().Before(end), "it takes too long")
		<-time.After(10 * time.Millisecond)
	}
}
