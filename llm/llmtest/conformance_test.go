package llmtest_test

import (
	"testing"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	served := func(config openai.Config) func(t *testing.T, steps ...llmtest.Step) llm.Model {
		return func(t *testing.T, steps ...llmtest.Step) llm.Model {
			c := config
			c.BaseURL, c.Key = llmtest.Script(t, steps...).Serve().BaseURL, "k"
			return c.Model("m")
		}
	}
	for name, newModel := range map[string]func(t *testing.T, steps ...llmtest.Step) llm.Model{
		"a script":            func(t *testing.T, steps ...llmtest.Step) llm.Model { return llmtest.Script(t, steps...) },
		"openai":              served(openai.Config{Retry: wrap.Retry{Attempts: 1}}),
		"openai with retries": served(openai.Config{}),
		"openai, Responses":   served(openai.Config{API: openai.APIResponses, Retry: wrap.Retry{Attempts: 1}}),
		"retries": func(t *testing.T, steps ...llmtest.Step) llm.Model {
			return wrap.Retry{}.Model(llmtest.Script(t, steps...))
		},
		"retries that begin again": func(t *testing.T, steps ...llmtest.Step) llm.Model {
			return wrap.Retry{Restart: true, MinDelay: -1}.Model(llmtest.Script(t, steps...))
		},
		"a transport": func(t *testing.T, steps ...llmtest.Step) llm.Model {
			return openai.Config{HTTPClient: llmtest.Script(t, steps...).Client(), Key: "k"}.Model("m")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			llmtest.TestModel(t, newModel)
		})
	}
}
