package openai_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/mutant"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// fixtureBodies returns what stands in the fixtures as answers or streams, for
// fuzzing to start from. Those of a megabyte and more are left out.
func fixtureBodies(f *testing.F, kind string) (bodies [][]byte) {
	return bodiesOf(f, filepath.Join(quirksDir, "Q*.txt"), kind)
}

func bodiesOf(f *testing.F, pattern, kind string) (bodies [][]byte) {
	paths, err := filepath.Glob(pattern)
	require.NoError(f, err)
	for _, path := range paths {
		x, err := readFixture(path)
		require.NoError(f, err)
		replies, err := x.replies(kind)
		require.NoError(f, err)
		for _, r := range replies {
			if len(r.body) < 1<<20 {
				bodies = append(bodies, r.body)
			}
		}
	}
	require.NotEmpty(f, bodies)
	return bodies
}

// fuzzed is one way in which the bytes of an answer can arrive.
type fuzzed struct {
	status int
	header http.Header
	body   io.Reader
	api    openai.API
}

func (z fuzzed) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: z.status, Header: z.header, Body: io.NopCloser(z.body), Request: r}, nil
}

func (z fuzzed) ask(t *testing.T, stream bool) (*llm.Response, []llm.Delta, error) {
	c := (&wire{}).config()
	c.HTTPClient, c.Key, c.API = &http.Client{Transport: z}, key, z.api
	req := hello()
	req.Stream, req.Tools = stream, []llm.ToolDef{{Name: "f"}, {Name: "read_file"}}
	var deltas []llm.Delta
	resp, err := c.Model("m").Generate(t.Context(), req, func(d llm.Delta) { deltas = append(deltas, d) })
	return resp, deltas, err
}

func typed(contentType string) http.Header { return http.Header{"Content-Type": {contentType}} }

// FuzzStream holds that no bytes panic as a stream, that what is no answer is a
// typed error, that an answer can be kept and sent back, that what was shown is
// what it says, and that none of it depends on how the bytes arrive.
func FuzzStream(f *testing.F) {
	bodies := fixtureBodies(f, "stream")
	for _, body := range append(slices.Clip(bodies[:mutant.Some(len(bodies))]), mutant.Of(bodies, 1500)...) {
		f.Add(body, uint16(len(body)/2))
	}
	f.Fuzz(func(t *testing.T, body []byte, cut uint16) {
		at := int(cut) % (len(body) + 1)
		resp, deltas, err := fuzzed{200, typed("text/event-stream"), bytes.NewReader(body), ""}.ask(t, true)
		for _, r := range []io.Reader{
			io.MultiReader(bytes.NewReader(body[:at]), bytes.NewReader(body[at:])),
			iotest.OneByteReader(bytes.NewReader(body)),
		} {
			again, deltasAgain, errAgain := fuzzed{200, typed("text/event-stream"), r, ""}.ask(t, true)
			require.Equal(t, resp, again)
			require.Equal(t, deltas, deltasAgain)
			require.Equal(t, timeless(err), timeless(errAgain))
		}
		if err != nil {
			requireTyped(t, err)
			return
		}
		requireSound(t, resp)
		if !bytes.Contains(body, []byte("message")) && !hasPlaces(resp) {
			require.Equal(t, resp.Message.Text(), shown(deltas))
		}
	})
}

// hasPlaces reports whether the answer has texts that came by their index or id:
// they are shown as they come, and stand in the order of their places. In the same
// way a message can say more in front of the deltas that were shown.
func hasPlaces(resp *llm.Response) bool {
	return slices.ContainsFunc(resp.Message.Parts, func(p llm.Part) bool {
		text, ok := p.(llm.Text)
		return ok && len(text.Extra) > 0
	})
}

func shown(deltas []llm.Delta) string {
	var b strings.Builder
	for _, d := range deltas {
		if d, ok := d.(llm.TextDelta); ok {
			b.WriteString(d.Text)
		}
	}
	return b.String()
}

// FuzzDecode holds the same for documents, and that a message gives the same
// Response whole and as the one delta of a stream. Only calls may differ: in a
// whole message each is one, and in a delta each may go on with the one before.
func FuzzDecode(f *testing.F) {
	bodies := fixtureBodies(f, "answer")
	for _, body := range append(bodies, mutant.Of(bodies, 1500)...) {
		f.Add(body)
		var x struct {
			Choices []struct{ Message json.RawMessage }
		}
		if json.Unmarshal(body, &x) == nil && len(x.Choices) > 0 {
			f.Add([]byte(x.Choices[0].Message))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		resp, _, err := fuzzed{200, typed("application/json"), bytes.NewReader(data), ""}.ask(t, false)
		if err != nil {
			requireTyped(t, err)
		} else {
			requireSound(t, resp)
		}
		var message bytes.Buffer
		if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) || json.Compact(&message, data) != nil {
			return
		}
		whole := `{"choices":[{"index":0,"message":` + message.String() + `,"finish_reason":"stop"}]}`
		chunk := `{"choices":[{"index":0,"delta":` + message.String() + `,"finish_reason":"stop"}]}`
		resp, _, err = fuzzed{200, typed("application/json"), strings.NewReader(whole), ""}.ask(t, false)
		streamed, _, errStreamed := fuzzed{200, typed("text/event-stream"), strings.NewReader(events(chunk, "[DONE]")), ""}.ask(t, true)
		require.Equal(t, timeless(err), timeless(errStreamed))
		if err == nil && len(resp.Message.Calls())+len(streamed.Message.Calls()) == 0 {
			require.Equal(t, resp, streamed)
		}
	})
}

// FuzzError holds that every body of an error is a typed error, whose words are
// bounded, valid UTF-8 and without the key, and that it says of waiting nothing
// impossible.
func FuzzError(f *testing.F) {
	for _, kind := range []string{"answer", "stream"} {
		bodies := fixtureBodies(f, kind)
		for _, body := range append(slices.Clip(bodies[:mutant.Some(len(bodies))]), mutant.Of(bodies, 1000)...) {
			f.Add(uint16(400), "1.5", body)
		}
	}
	f.Add(uint16(429), "Sat, 25 Jul 2026 12:05:00 GMT", []byte(`{"error":{"message":"Incorrect API key provided: `+key+`","code":"`+key+`"}}`))
	f.Add(uint16(503), "1784981100000", []byte("<html><title>"+key+"</title></html>"))
	f.Fuzz(func(t *testing.T, status uint16, after string, body []byte) {
		h := typed("application/json")
		for _, name := range []string{"Retry-After", "X-Ratelimit-Reset", "X-Request-Id"} {
			h.Set(name, after)
		}
		h.Set("X-Ratelimit-Remaining", "0")
		code := 300 + int(status)%300
		_, _, err := fuzzed{code, h, bytes.NewReader(body), ""}.ask(t, false)
		requireTyped(t, err)
		var api *llm.APIError
		require.ErrorAs(t, err, &api)
		require.Equal(t, code, api.StatusCode)
		require.NotContains(t, err.Error(), key)
		require.Less(t, len(api.Message), 3<<10)
		require.Less(t, len(api.Code)+len(api.Type)+len(api.Param)+len(api.RequestID), 1<<10)
		require.GreaterOrEqual(t, api.RetryAfter, time.Duration(0))
		require.GreaterOrEqual(t, api.TokenLimit, int64(0))
	})
}

func requireTyped(t *testing.T, err error) {
	var api *llm.APIError
	require.True(t, errors.As(err, &api), "%v", err)
	require.NotEmpty(t, api.Kind)
	require.NotEmpty(t, err.Error())
	require.True(t, utf8.ValidString(err.Error()), "%q", err.Error())
}

// requireSound wants a response that can be kept as JSON and sent back.
func requireSound(t *testing.T, resp *llm.Response) {
	require.NotEmpty(t, resp.Finish.Reason)
	data, err := json.Marshal(resp.Message)
	require.NoError(t, err)
	var kept llm.Message
	require.NoError(t, json.Unmarshal(data, &kept))
	require.Equal(t, resp.Message, kept)
	for _, c := range resp.Message.Calls() {
		require.NotEmpty(t, strings.TrimSpace(c.Arguments))
	}
	w := &wire{body: ok}
	_, err = w.config().Model("m").Generate(t.Context(), &llm.Request{Messages: []llm.Message{llm.User("hi"), resp.Message}}, nil)
	require.NoError(t, err)
	require.True(t, json.Valid([]byte(w.bodies[0])))
}

// TestCorpora holds that the corpora of this package stay small.
func TestCorpora(t *testing.T) {
	t.Parallel()
	total := int64(0)
	require.NoError(t, filepath.WalkDir(filepath.Join("testdata", "fuzz"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		total += info.Size()
		return err
	}))
	require.Less(t, total, int64(1<<20))
}
