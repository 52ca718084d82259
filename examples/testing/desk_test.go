// Package desk_test is a test file for an agent: a script says what the model
// would, and all else is the real thing.
//
//	go test ./examples/testing
//	TOOLLOOP_UPDATE=1 go test ./examples/testing    # writes golden files and recordings anew
package desk_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	desk "github.com/seed-916e8f6a/toolloop/examples/testing"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest/tape"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
)

// newShop has a small order and a large one.
func newShop() *desk.Shop {
	return desk.NewShop(desk.Order{Number: "W1", Cents: 12_50}, desk.Order{Number: "W2", Cents: 480_00})
}

// What the model would say is a script; all else is the real thing. A request
// beyond the script and a step that is left both fail the test.
func TestRefund(t *testing.T) {
	t.Parallel()
	shop := newShop()
	script := llmtest.Script(t,
		llmtest.Calls("find_order", desk.FindArgs{Order: "W1"}),
		llmtest.Calls("refund", desk.RefundArgs{Order: "W1", Cents: 12_50}),
		llmtest.Text("12.50 are on their way."))
	result, err := runner.Run(t.Context(), desk.New(shop, script), llm.User("W1 arrived broken."))
	require.NoError(t, err)
	require.Equal(t, "12.50 are on their way.", result.Text)
	require.Equal(t, 12_50, shop.Refunded("W1"))
}

func find(order string) llmtest.Step {
	return llmtest.Calls("find_order", desk.FindArgs{Order: order})
}

func refund(order string, cents int) llmtest.Step {
	return llmtest.Calls("refund", desk.RefundArgs{Order: order, Cents: cents})
}

// The tool fails; the model reads the reason and sends the right amount.
func TestRefundsWhatIsLeft(t *testing.T) {
	t.Parallel()
	script := llmtest.Script(t, refund("W1", 99_00), refund("W1", 12_50), llmtest.Text("It was only 12.50."))
	result, err := runner.Run(t.Context(), desk.New(newShop(), script), llm.User("Refund 99 for W1."))
	require.NoError(t, err)

	refunds := runnertest.Calls[desk.RefundArgs](t, result, "refund")
	require.Equal(t, "order W1 has only 1250 cents left", refunds[0].Text) // what the model read
	require.Equal(t, desk.RefundArgs{Order: "W1", Cents: 12_50}, refunds[1].Args)
	require.Equal(t, `{"number":"W1","cents":1250,"refunded_cents":1250}`, refunds[1].Text)
}

// Tests every provider fault at each step: whether or not the run succeeds,
// nobody is paid twice, and no cut-off answer is accepted.
func TestWhateverGoesWrong(t *testing.T) {
	steps := []llmtest.Step{refund("W1", 5_00), llmtest.Text("5.00 are on their way.")}
	llmtest.EveryFault(t, steps, func(t *testing.T, script *llmtest.Model) {
		synctest.Test(t, func(t *testing.T) {
			shop := newShop()
			model := openai.Config{HTTPClient: script.Client(), Key: "k"}.Model("gpt-4o-mini")
			result, err := runner.Run(t.Context(), desk.New(shop, model), llm.User("Refund 5.00 of W1."))
			require.Contains(t, []int{0, 5_00}, shop.Refunded("W1"))
			if err == nil {
				require.Equal(t, "5.00 are on their way.", result.Text)
				require.Equal(t, 5_00, shop.Refunded("W1"))
			}
		})
	})
}

// A large refund waits for a person. Nothing runs while it does.
func TestLargeRefundIsApproved(t *testing.T) {
	t.Parallel()
	shop := newShop()
	a := desk.New(shop, llmtest.Script(t, refund("W2", 480_00), llmtest.Text("It is approved.")))
	session := runner.Runner{}.Session("mrs-jones")
	result, err := session.Run(t.Context(), a, runner.Say(llm.User("Refund W2.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	require.Zero(t, shop.Refunded("W2"))

	_, err = session.Run(t.Context(), a, result.Pending[0].Approve())
	require.NoError(t, err)
	require.Equal(t, 480_00, shop.Refunded("W2"))
}

// Each tool is called once, with arguments that its schema makes up.
func TestTools(t *testing.T) { runnertest.Exercise(t, desk.New(newShop(), nil)) }

// Calls of one answer run at the same time: two look-ups take one second. In a
// bubble that is exact, and the test itself takes no time.
func TestLooksUpOrdersTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shop, start := newShop(), time.Now()
		shop.Latency = time.Second
		script := llmtest.Script(t, find("W1").And(find("W2")), llmtest.Text("W2 was dearer."))
		result, err := runner.Run(t.Context(), desk.New(shop, script), llm.User("Which was dearer?"))
		require.NoError(t, err)
		require.Equal(t, 2, runnertest.MaxConcurrent(result))
		require.Equal(t, time.Second, time.Since(start))
	})
}

// The script as a provider: the client is the one of production, which waits as
// long as it is told, and asks again. (No MinDelay: no jitter.)
func TestProviderIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		busy := llmtest.Status(http.StatusTooManyRequests, http.Header{"Retry-After": {"7"}}, "slow down")
		script := llmtest.Script(t, llmtest.Text("Hello.").With(busy), llmtest.Text("Hello."))
		model := openai.Config{HTTPClient: script.Client(), Key: "k", Retry: wrap.Retry{MinDelay: -1}}.Model("gpt-4o-mini")
		result, err := runner.Run(t.Context(), desk.New(newShop(), model), llm.User("Hi."))
		require.NoError(t, err)
		require.Equal(t, "Hello.", result.Text)
		require.Equal(t, 7*time.Second, time.Since(start))
	})
}

// All that was said and done, as text in a file for people to look at.
func TestTranscript(t *testing.T) {
	t.Parallel()
	mail := llmtest.Calls("send_mail", desk.MailArgs{Order: "W7", Text: "It is on its way."})
	script := llmtest.Script(t, find("W1"), refund("W1", 12_50).And(mail), llmtest.Text("Done."))
	result, err := runner.Run(t.Context(), desk.New(newShop(), script), llm.User("W1 arrived broken."))
	require.NoError(t, err)
	runnertest.Golden(t, result, "testdata/refund.txt")
}

// What a model said once, without it. The demo provider said this one:
// "go run ./examples/provider", and TOOLLOOP_UPDATE=1 with its OPENAI_BASE_URL.
func TestRecorded(t *testing.T) {
	t.Parallel()
	model := tape.Replay(t, "testdata/recorded").Model(openai.Model("gpt-4o-mini"))
	result, err := runner.Run(t.Context(), desk.New(newShop(), model), llm.User("What was paid for W1?"))
	require.NoError(t, err)
	require.Equal(t, []string{"find_order"}, runnertest.Order(result))
	require.Contains(t, result.Text, "1250")
}

// The agent of production, with a script in place of its model. Whatever would
// still be asked of a real one fails the test.
func TestNothingElseIsAsked(t *testing.T) {
	llmtest.NoNetwork(t)
	production := desk.New(newShop(), openai.Model("gpt-4o-mini"))
	r := runner.Runner{Model: llmtest.Script(t, find("W2"), llmtest.Text("480.00 were paid."))}
	result, err := r.Run(t.Context(), production, llm.User("What was paid for W2?"))
	require.NoError(t, err)
	require.Equal(t, []string{"find_order"}, runnertest.Order(result))
}
