package openai_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

type printKey struct{ next http.RoundTripper }

func (p printKey) RoundTrip(r *http.Request) (*http.Response, error) {
	fmt.Println(r.Header.Get("Authorization"))
	return p.next.RoundTrip(r)
}

// Token returns the key for each request, for keys that change every hour.
func ExampleConfig_token() {
	keys := 0
	m := openai.Config{
		HTTPClient: &http.Client{Transport: printKey{llmtest.NewScript(llmtest.Text("Hello.").Forever())}},
		Token: func(context.Context) (string, error) {
			keys++
			return fmt.Sprintf("key-%d", keys), nil
		},
	}.Model("gpt-4o-mini")
	for range 2 {
		if _, err := m.Generate(context.Background(), &llm.Request{Messages: []llm.Message{llm.User("Hello.")}}, nil); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// Bearer key-1
	// Bearer key-2
}
