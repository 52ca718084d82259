package runnertest_test

import (
	"testing"

	"github.com/seed-916e8f6a/toolloop/internal/faketb"
	"github.com/seed-916e8f6a/toolloop/internal/scenario"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// fake runs a test that may fail.
func fake(t *testing.T, test func(testing.TB)) *faketb.TB {
	t.Helper()
	tb := &faketb.TB{Ctx: t.Context()}
	tb.Run(test)
	return tb
}

type (
	lookArgs   scenario.LookArgs
	refundArgs scenario.RefundArgs
)

// The desk of the scenarios, and what it needs, under short names.
var (
	desk    = scenario.Desk
	waiting = scenario.Wait
	look    = scenario.Look
	refund  = scenario.Refund
	answers = scenario.Answers

	sent, sorry = llmtest.Text(sentText), llmtest.Text(scenario.SorryText)
)

const sentText = scenario.SentText

func with(m llm.Model) runner.Runner { return runner.Runner{Model: m} }
