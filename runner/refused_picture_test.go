package runner_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// sightless is a provider that answers no request with a picture in it.
type sightless struct{ bodies []string }

func (s *sightless) RoundTrip(r *http.Request) (*http.Response, error) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.bodies = append(s.bodies, string(data))
	status, body := http.StatusOK, `{"choices":[{"index":0,"message":{"role":"assistant","content":"Answer %d."},"finish_reason":"stop"}]}`
	switch {
	case strings.Contains(string(data), `"image_url"`):
		status, body = http.StatusBadRequest, `{"error":{"message":"Could not process image (%d)","type":"invalid_request_error"}}`
	case strings.Contains(string(data), `"Look around."}]`):
		body = `{"choices":[{"index":0,"message":{"role":"assistant","tool_calls":[{"id":"c%d","type":"function","function":{"name":"camera","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}`
	}
	return &http.Response{
		StatusCode: status, Request: r, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(fmt.Sprintf(body, len(s.bodies)))),
	}, nil
}

// TestRefusedPictureInASession: the run that asks about a picture which the
// provider refuses fails, and the session goes on, in another process as well.
func TestRefusedPictureInASession(t *testing.T) {
	t.Parallel()
	log := journal.Dir{Path: t.TempDir()}
	picture := llm.Image{Data: []byte("\x89PNG\x0D\x0A\x1A\x0A")}
	camera := tool.Must(tool.New("camera", "Takes a picture.", func(context.Context, struct{}) (llm.Image, error) { return picture, nil }))
	p := &sightless{}
	process := func() (*runner.Session, *agent.Agent) {
		model := openai.Config{
			BaseURL: "http://provider.test/v1", HTTPClient: &http.Client{Transport: p}, Retry: wrap.Retry{Attempts: 1},
			Profile: &openai.Profile{ToolImages: openai.ToolImagesUser},
		}.Model("m")
		return runner.Runner{Model: model, Journal: log}.Session("s"), newAgent(camera)
	}
	s, a := process()
	_, err := s.Run(t.Context(), a, runner.Say(llm.User("What is this?", picture)))
	require.ErrorContains(t, err, "Could not process image")
	require.ErrorContains(t, err, "the image of message 0, the newest")

	for _, say := range []string{"Never mind.", "Look around.", "Thanks."} {
		result, err := s.Run(t.Context(), a, runner.Say(llm.User(say)))
		require.NoError(t, err)
		require.Contains(t, result.Text, "Answer ")
		s, a = process() // which knows nothing of what was refused
	}
	require.Equal(t, 2, strings.Count(p.bodies[len(p.bodies)-1], "not shown, as the provider refused it"), "the user's and the camera's")
	messages, err := s.Messages(t.Context())
	require.NoError(t, err)
	require.Equal(t, llm.User("What is this?", picture), messages[0], "the conversation itself stays as it was")
}
