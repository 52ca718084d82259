package wrap_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// keyed is a model of a user, with a key in its fields.
type keyed struct{ Key string }

func (keyed) Generate(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
	return nil, overloaded
}

func TestWrappersPrintTheModelInside(t *testing.T) {
	t.Parallel()
	m, mine := openai.Config{Key: "the key", BaseURL: "https://user:pw@example.com:8080/v1"}.Model("m"), keyed{"the key"}
	for want, model := range map[string]llm.Model{
		`fallback retried openai.Model("m") wrap_test.keyed`: wrap.Fallback{}.Model(m, mine),
		`limited retried openai.Model("m")`:                  new(wrap.Limiter).Model(m),
		`cached retried openai.Model("m")`:                   wrap.Cache{}.Model(m),
		`retried wrap_test.keyed`:                            wrap.Retry{}.Model(mine),
		`limited <nil>`:                                      new(wrap.Limiter).Model(nil),
	} {
		for _, verb := range []string{"%v", "%#v", "%s"} {
			require.Equal(t, want, fmt.Sprintf(verb, model))
		}
		require.Equal(t, strings.ReplaceAll(want, `"m")`, `"m" at example.com:8080)`), fmt.Sprintf("%+v", model))
	}
}

// TestNamelessModels: a wrapper gives no name to a model that has none.
func TestNamelessModels(t *testing.T) {
	t.Parallel()
	sink, texts := notices()
	_, err := wrap.Fallback{}.Model(keyed{"the key"}, wrap.Retry{Attempts: 1}.Model(keyed{"the key"})).Generate(t.Context(), hello(false), sink)
	require.EqualError(t, err, "503 overloaded (before: model 1 of 2: 503 overloaded)")
	require.Equal(t, []string{"503 overloaded; asking model 2 of 2"}, *texts)

	_, err = wrap.Cache{Dir: t.TempDir()}.Model(wrap.Retry{}.Model(keyed{})).Generate(t.Context(), hello(false), nil)
	require.ErrorContains(t, err, "wrap: a Cache with a Dir needs a Name for the model")
}
