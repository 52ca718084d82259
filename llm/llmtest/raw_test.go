package llmtest_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// The bytes are the same on the wire whatever was asked for.
func TestWire(t *testing.T) {
	t.Parallel()
	header := http.Header{"Content-Type": {"text/x"}, "X-A": {"1", "2"}}
	step := llmtest.Wire(418, header, "a\n\xff")
	header.Set("X-A", "changed")
	m := llmtest.Script(t, step.Forever(), llmtest.Wire(200, nil, "").When(llmtest.LastUser("bare")))
	for _, client := range []*http.Client{http.DefaultClient, m.Client()} {
		url := "https://api.example.com/v1/chat/completions"
		if client == http.DefaultClient {
			url = m.Serve().BaseURL + "/chat/completions"
		}
		for _, body := range []string{hi, hiStream} {
			resp, err := client.Do(request(t.Context(), t, http.MethodPost, url, body))
			require.NoError(t, err)
			require.Equal(t, 418, resp.StatusCode)
			require.Equal(t, []string{"1", "2"}, resp.Header["X-A"])
			require.Equal(t, "text/x", resp.Header.Get("Content-Type"))
			require.Equal(t, int64(3), resp.ContentLength)
			require.Equal(t, "a\n\xff", readAll(t, resp))
			require.NoError(t, resp.Body.Close())
		}
	}
	resp := chat(t, m.Serve(), `{"model":"m","messages":[{"role":"user","content":"bare"}]}`)
	require.Equal(t, "", readAll(t, resp))
	require.NotContains(t, resp.Header, "Content-Type")
}

// In process an error is what a client makes of the bytes: the same kind, code
// and words, and the same wait.
func TestWireInProcess(t *testing.T) {
	t.Parallel()
	body := func(code string) string {
		return `{"error":{"message":"So it is.","type":"some_error","param":"model","code":` + code + `}}`
	}
	type reply struct {
		status int
		header http.Header
		body   string
	}
	for name, r := range map[string]reply{
		"400": {400, nil, body("null")}, "401": {401, nil, body("null")}, "402": {402, nil, body("null")}, "403": {403, nil, body("null")},
		"404": {404, nil, body(`"model_not_found"`)}, "408": {408, nil, body("null")}, "409": {409, nil, body("null")}, "413": {413, nil, body("null")},
		"413 empty": {413, nil, ""}, "422": {422, nil, body("null")}, "429": {429, nil, body("null")}, "500": {500, nil, body("null")},
		"502 text": {502, nil, "Bad gateway"}, "503": {503, nil, body("null")}, "504": {504, nil, ""}, "529": {529, nil, body(`"overloaded_error"`)},
		"overflow": {400, nil, body(`"context_length_exceeded"`)}, "filter": {400, nil, body(`"content_filter"`)},
		"quota": {429, nil, body(`"insufficient_quota"`)}, "key": {400, nil, body(`"invalid_api_key"`)}, "number": {400, nil, body("42")},
		"model": {400, nil, body(`"model_not_found"`)}, "a text": {400, nil, `{"error":"So it is."}`},
		"seconds":       {429, http.Header{"Retry-After": {"7"}}, body("null")},
		"half a second": {429, http.Header{"Retry-After": {"0.5"}}, body("null")},
		"ms":            {429, http.Header{"Retry-After": {"7"}, "Retry-After-Ms": {"1500"}}, body("null")},
		"date":          {429, http.Header{"Retry-After": {"Sat, 01 Jan 2000 00:00:09 GMT"}}, body("null")},
		"past":          {429, http.Header{"Retry-After": {"Fri, 31 Dec 1999 00:00:09 GMT"}}, body("null")},
		"nonsense":      {429, http.Header{"Retry-After": {"soon"}}, body("null")},
		"for ever":      {429, http.Header{"Retry-After": {"Inf"}}, body("null")},
		"ms for ever":   {429, http.Header{"Retry-After-Ms": {"Inf"}}, body("null")},
		"once more":     {400, http.Header{"X-Should-Retry": {"true"}}, body("null")},
		"never":         {500, http.Header{"X-Should-Retry": {"false"}}, body("null")},
		"id":            {500, http.Header{"X-Request-Id": {"r"}}, body("null")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var got []*llm.APIError
				for _, seat := range []string{"transport", "in process"} {
					m := llmtest.Script(t, llmtest.Wire(r.status, r.header, r.body))
					_, err := seats[seat](t, m).Generate(t.Context(), ask("hi"), nil)
					e, ok := errors.AsType[*llm.APIError](err)
					require.True(t, ok)
					e.Provider = "" // which differs
					if r.status == 404 {
						e.Message = "" // the client adds the URL
					}
					got = append(got, e)
				}
				require.Equal(t, got[0], got[1])
			})
		})
	}
}

// The catalogue's date is counted from when the answer is given.
func TestDateOfTheCatalogue(t *testing.T) {
	t.Parallel()
	dated := llmtest.Faults()[3]
	require.Equal(t, "status 429 with Retry-After the date in 3s", dated.String())
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Hour) // of the bubble
		for _, seat := range []string{"in process", "transport"} {
			_, err := seats[seat](t, llmtest.Script(t, llmtest.Text("a").With(dated))).Generate(t.Context(), ask("hi"), nil)
			e, ok := errors.AsType[*llm.APIError](err)
			require.True(t, ok)
			require.Equal(t, 3*time.Second, e.RetryAfter)
		}
	})
}

func TestWireThatNeedsAWire(t *testing.T) {
	t.Parallel()
	step := llmtest.Wire(200, nil, "data: {}\n\n")
	want := `llmtest: these raw bytes need a seat on the wire, such as Serve or RoundTrip: status 200: "data: {}\n\n"`
	_, err := llmtest.Script(t, step).Generate(t.Context(), ask("hi"), nil)
	require.EqualError(t, err, want)
	_, err = step.Response()
	require.EqualError(t, err, want)
}
