package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type diceArgs struct {
	Count int `json:"count" jsonschema:"minimum=1,maximum=20"`
	Sides int `json:"sides" jsonschema:"minimum=2,maximum=100,default=6"`
}

func rollDice(_ context.Context, in diceArgs) ([]int, error) {
	shown := make([]int, in.Count)
	for i := range shown {
		shown[i] = 1 + rand.IntN(in.Sides)
	}
	return shown, nil
}

type timerArgs struct {
	Seconds float64 `json:"seconds" jsonschema:"minimum=0,maximum=60"`
}

// setTimer is slow and obeys its context: ^C ends the call at once.
func setTimer(ctx context.Context, in timerArgs) (string, error) {
	select {
	case <-time.After(time.Duration(in.Seconds * float64(time.Second))):
		return "The time is up.", nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

func assistant(model llm.Model) *agent.Agent {
	return &agent.Agent{
		Name:         "assistant",
		Instructions: "You are at a game table. Be brief.",
		Model:        model,
		Tools: []tool.Tool{
			tool.Must(tool.New("roll_dice", "Rolls some dice and says what each shows.", rollDice)),
			tool.Must(tool.New("set_timer", "Waits for some seconds.", setTimer)),
		},
	}
}
