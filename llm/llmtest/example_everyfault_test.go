package llmtest_test

import (
	"testing"
	"testing/synctest"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// survivesFaults is a test that runs once for each fault at each step. The waits take
// no time, because each run has its own bubble of fake time.
func survivesFaults(t *testing.T) {
	steps := []llmtest.Step{llmtest.Text("It is 22 °C.")}
	llmtest.EveryFault(t, steps, func(t *testing.T, script *llmtest.Model) {
		synctest.Test(t, func(t *testing.T) {
			model := openai.Config{HTTPClient: script.Client(), Key: "k", Retry: wrap.Retry{Restart: true}}.Model("m")
			resp, err := model.Generate(t.Context(), &llm.Request{Messages: []llm.Message{llm.User("Hi.")}}, nil)
			if err == nil && resp.Message.Text() != "It is 22 °C." {
				t.Errorf("got %q", resp.Message.Text())
			}
		})
	})
}

// Whatever goes wrong with a provider: the program gets the whole answer or an error.
func ExampleEveryFault() {
	_ = survivesFaults // func TestFaults(t *testing.T) in your test file
}
