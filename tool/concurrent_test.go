package tool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// gate blocks goroutines until the given number has arrived.
type gate struct {
	mu      sync.Mutex
	missing int
	open    chan struct{}
}

func newGate(n int) *gate { return &gate{missing: n, open: make(chan struct{})} }

func (g *gate) pass() {
	g.mu.Lock()
	if g.missing--; g.missing == 0 {
		close(g.open)
	}
	g.mu.Unlock()
	<-g.open
}

type gateKey struct{}

// passGate waits in a tool's function until all calls are in theirs.
func passGate(ctx context.Context) { ctx.Value(gateKey{}).(*gate).pass() }

// TestConcurrentCalls makes 10,000 calls of one tool, with atOnce calls inside the
// function at the same time. Every seventh panics; each gets the result of its own.
func TestConcurrentCalls(t *testing.T) {
	t.Parallel()
	type in struct {
		N    int      `json:"n" jsonschema:"minimum=0"`
		Tags []string `json:"tags,omitempty" jsonschema:"pattern=^[a-z]+$"`
		When *time.Time
	}
	typed := tool.Must(tool.New("double", "", func(ctx context.Context, in in) (int, error) {
		passGate(ctx)
		if in.N%7 == 0 {
			panic(in.N)
		}
		return 2 * in.N, nil
	}))
	raw := tool.Must(tool.NewRaw("double", "", typed.Def().Schema, func(ctx context.Context, args json.RawMessage) (any, error) {
		passGate(ctx)
		var in struct{ N int }
		if err := json.Unmarshal(args, &in); err != nil || in.N%7 == 0 {
			panic(in.N)
		}
		clear(args) // they are the function's own
		return 2 * in.N, nil
	}))
	for name, double := range map[string]tool.Tool{"typed": typed, "raw": raw} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for from := 0; from < 10_000; from += atOnce {
				ctx := context.WithValue(t.Context(), gateKey{}, newGate(atOnce))
				failures := make(chan error, atOnce)
				for n := from; n < from+atOnce; n++ {
					go func() { failures <- callDouble(ctx, double, n) }()
				}
				for range atOnce {
					require.NoError(t, <-failures)
				}
			}
		})
	}
}

func callDouble(ctx context.Context, double tool.Tool, n int) error {
	args, err := parseDouble(double, n)
	if err != nil {
		passGate(ctx) // the others wait for this one
		return err
	}
	got, err := double.Call(ctx, args)
	if n%7 == 0 {
		if e, ok := errors.AsType[*tool.Error](err); !ok || e.Failure != tool.Panicked {
			return fmt.Errorf("%d: no panic but %w", n, err)
		}
		return nil
	}
	if text := (llm.Message{Parts: got}).Text(); text != fmt.Sprint(2*n) {
		return fmt.Errorf("%d doubled is %s", n, text)
	}
	return err
}

func parseDouble(double tool.Tool, n int) (json.RawMessage, error) {
	if _, _, err := double.Parse(fmt.Sprintf(`{"n":-%d,"When":null,"tags":["A"]}`, n+1)); err == nil {
		return nil, errors.New("invalid arguments were taken")
	}
	args, repairs, err := double.Parse(fmt.Sprintf(`{"n":"%d","tags":["a"],"When":"2024-01-02T03:04:05Z"}`, n))
	if err == nil && len(repairs) != 1 {
		err = fmt.Errorf("%d: repairs %q", n, repairs)
	}
	return args, err
}

// TestStrictFormUnderConcurrency builds the strict form while calls are parsed. Each
// tool and each renamed copy returns the same form.
func TestStrictFormUnderConcurrency(t *testing.T) {
	raw := json.RawMessage(`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":["integer","null"],"default":null}},"required":["a"]}`)
	first := tool.Must(tool.NewRaw("first", "", raw, func(context.Context, json.RawMessage) (string, error) { return "", nil }))
	set := tool.Set{Prefix: "x_", List: func(context.Context) ([]tool.Tool, error) { return []tool.Tool{first}, nil }}
	copies, err := set.Tools(t.Context())
	require.NoError(t, err)
	var wg sync.WaitGroup
	forms := make([]string, 16)
	for i := range forms {
		wg.Go(func() {
			of := []tool.Tool{first, copies[0]}[i%2]
			if _, _, err := of.Parse(`{"a":"1","b":null}`); err == nil && of.NotStrict() == nil {
				forms[i] = string(of.Def().Strict)
			}
		})
	}
	wg.Wait()
	for _, form := range forms {
		require.NotEmpty(t, form)
		require.Equal(t, forms[0], form)
	}
}
