package agent

import "time"

// Limits bound what a run may spend: a run of a runner (runner.Runner.Limits), or of a
// [Helper]. Zero means no limit, except for Repeats and Handoffs. A sum counts from the beginning of the
// run, also after a pause or a crash, and has the sums of helpers in it. A run may exceed a
// sum by its last request, because only the answer tells what the request has cost; helpers
// at the same time, by one request each.
type Limits struct {
	// ToolCalls bounds the calls that the model makes, wrong calls included. If the calls of
	// an answer exceed the bound, none of them runs.
	ToolCalls int
	// InputTokens, OutputTokens and Tokens (both together) bound the usage that the
	// provider reports. If the provider reports no usage, these bounds have no effect.
	InputTokens, OutputTokens, Tokens int64
	// RequestTokens bounds the estimated tokens of one request: the tokens of the request
	// before and its answer, as reported, and a quarter of the bytes since. In the first
	// request, and if the provider reports no usage, a quarter of all bytes counts. The
	// messages of runner.Runner.BeforeTurn and the result of Agent.Instruct do not count.
	RequestTokens int64
	// Cost bounds the cost by runner.Runner.Cost, in the same unit.
	Cost float64
	// WorkTime bounds the time of the model and of the tools: the time of each answer and, for
	// each turn, of its longest call. Waits for people, for a slot of a call, for a retry and
	// for a wrap.Limiter do not count. A turn that has begun may end later; runner.Runner.RunTimeout
	// bounds the whole run.
	WorkTime time.Duration
	// Repeats is the number of turns with the same calls and the same results, or of cycles
	// of up to four such turns, after which the model is told that it repeats its calls.
	// After the same number of further repeats, the limit "stall" is reached. Calls of a
	// tool with [tool.Polling] never count. Zero means 5. -1 means no limit. The smallest
	// number is 2.
	Repeats int
	// Handoffs bounds the hand-offs of the run. Zero means 10. -1 means no limit.
	Handoffs int
}
