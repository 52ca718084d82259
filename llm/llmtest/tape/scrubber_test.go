package tape_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest/tape"
)

// The secrets that TestTapeKeepsSecrets plants, by where they are seen first.
const (
	inAuthorization = "tok.en-of/authorization+1="
	inAPIKey        = "the-api-key-header"
	inCookie        = "session-cookie-value"
	inUser          = "user-of-the-url"
	inPassword      = "p@ss word/of the url"
	inQuery         = "query&key=value"
	inSetCookie     = "cookie-of-the-response"
	inResponse      = "other-header-of-the-response"
	likeAKey        = "sk-proj-0123456789abcdefXYZ"
	likeAToken      = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl"
	asMember        = "hunter2"
	asBearer        = "abcdefgh12345678"
	ofTheUser       = "+49 170 1234567"
)

var secretsPlanted = []string{
	inAuthorization, inAPIKey, inCookie, inUser, inPassword, inQuery, inSetCookie, inResponse,
	likeAKey, likeAToken, asMember, asBearer, ofTheUser,
	"of/authorization", "p%40ss", "query%26key", "api-key-header", "1234567890abc", "0123456789abcdef", "cookie-value",
}

// leaky answers with all the secrets that it can find or think of.
func leaky(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Set-Cookie", "sid="+inSetCookie+"; Path=/; HttpOnly")
	w.Header().Set("X-Internal", inResponse)
	w.Header().Set("X-Request-Id", "req-"+inAPIKey)
	_, _ = io.Copy(io.Discard, r.Body)
	if strings.HasSuffix(r.URL.Path, "/stream") {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprintf(w, ": a comment with %s\n\n", inCookie)
		for _, piece := range []string{"Your key is " + inAPIKey[:5], inAPIKey[5:9], inAPIKey[9:] + " and sk-proj-01234567", "89abcdefXYZ, I think. "} {
			_, _ = fmt.Fprintf(w, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":%q}}]}\n\n", piece)
		}
		_, _ = io.WriteString(w, `data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"key\":\"the-api-"}}]}}]}`+"\n\n")
		_, _ = io.WriteString(w, `data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}}]}`+"\n\n")
		_, _ = io.WriteString(w, `data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"key-header\"}"}}]}}],"api_key":"hunter2"}`+"\n\ndata: [DONE]\n\n")
		return
	}
	_, _ = fmt.Fprintf(w, `{"debug":{"authorization":"x","Password":%q,"access-token":%q,"set":"%s"},`+"\n"+`"text":"see https://%s:pw@example.com, \u0074he-api-key-header, bearer %s, %s, %s",
		"token":"`+asMember+`","logprobs":[{"token":"hello","logprob":-1}],"tokens":"many"}`, asMember, asMember, inSetCookie, inUser, asBearer, ofTheUser, r.URL.RawQuery)
}

func secretRequests(t *testing.T, tp *tape.Tape, host, authorization, apiKey, cookie, user, password, query string) (bodies []string) {
	tp.Scrub = func(s string) string { return strings.ReplaceAll(s, ofTheUser, "[phone]") }
	client := &http.Client{Transport: tp.Transport(nil)}
	for _, path := range []string{"/v1/chat", "/v1/stream"} {
		body := fmt.Sprintf(`{"messages":[{"role":"user","content":"I am %s, call %s, %s, %s, my/%s, %s"}],"api_key":%q,"%s":1,"schema":{"password":{"type":"string"}}}`,
			authorization, ofTheUser, likeAKey, likeAToken, cookie, password, asMember, query)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+host+path, strings.NewReader(body))
		require.NoError(t, err)
		req.URL.User = url.UserPassword(user, password)
		req.URL.RawQuery = url.Values{"api-version": {"1"}, "subscription-Key": {query}}.Encode()
		req.Header.Set("Authorization", "Bearer "+authorization)
		req.Header.Set("Api-Key", apiKey)
		req.Header.Set("Cookie", "a=b; session="+cookie)
		resp, err := client.Do(req)
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		bodies = append(bodies, string(text))
	}
	return bodies
}

func TestTapeKeepsSecrets(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(leaky))
	defer server.Close()
	dir := t.TempDir()
	host := strings.TrimPrefix(server.URL, "http://")
	var live, replayed []string
	require.Empty(t, complaints(func(tb testing.TB) {
		live = secretRequests(t, tape.Record(tb, dir), host, inAuthorization, inAPIKey, inCookie, inUser, inPassword, inQuery)
	}))
	require.Contains(t, live[0], asBearer, "the caller gets what came")

	files := tapeFiles(t, dir)
	require.Len(t, files, 2)
	for name, text := range files {
		for _, secret := range secretsPlanted {
			require.NotContains(t, text, secret, name)
		}
		require.NotContains(t, text, "127.0.0.1", name)
	}
	require.Contains(t, files["001.json"], `"content": "I am [scrubbed], call [phone], [scrubbed], [scrubbed], my/[scrubbed], [scrubbed]"`)
	require.Contains(t, files["001.json"], `"schema": {"password":{"type":"string"}}`)
	require.Contains(t, files["001.json"], `"path": "/v1/chat?api-version=1&subscription-Key=[scrubbed]"`)
	require.Contains(t, files["001.json"], `{"token":"hello","logprob":-1}`)
	require.Contains(t, files["001.json"], `"tokens": "many"`)

	// With other keys, or none, the same conversation is found again.
	require.Empty(t, complaints(func(tb testing.TB) {
		replayed = secretRequests(t, tape.Replay(tb, dir), "elsewhere.test", "another-key-0001", "another-key-0002", "another-key-0003", "another-key-0004", "another-key-0005", "another-key-0006")
	}))
	require.Contains(t, replayed[1], `{"content":"Your key is [scrubbed]"}`)
	require.Contains(t, replayed[1], `{"content":", I think. "}`)
	require.Contains(t, replayed[1], `"arguments":"{\"key\":\"[scrubbed]"`)
	require.Contains(t, replayed[1], ": a comment with [scrubbed]\n\ndata: ")
}

// A key that stands for one in a replay may be a word of the conversation.
func TestTapeReplaysWithAnInnocentKey(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(leaky))
	defer server.Close()
	dir := t.TempDir()
	send := func(tb testing.TB, tp *tape.Tape, key string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(`{"content":"I forgot my password"}`))
		require.NoError(tb, err)
		req.Header.Set("Api-Key", key)
		resp, err := tp.Transport(nil).RoundTrip(req)
		require.NoError(tb, err)
		require.NoError(tb, resp.Body.Close())
	}
	require.Empty(t, complaints(func(tb testing.TB) { send(t, tape.Record(tb, dir), "a-real-key") }))
	require.Empty(t, complaints(func(tb testing.TB) { send(t, tape.Replay(tb, dir), "password") }))
}

// What no rule reaches is not written.
func TestTapeRefusesASecretInBinaryData(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "\xff"+r.Header.Get("Api-Key"))
	}))
	defer server.Close()
	dir := t.TempDir()
	require.Equal(t, []string{"tape: interaction 1: a secret stands where it cannot be cut out: " + dir + " is left as it was"},
		complaints(func(tb testing.TB) {
			secretRequests(t, tape.Record(tb, dir), strings.TrimPrefix(server.URL, "http://"), inAuthorization, inAPIKey, inCookie, inUser, inPassword, inQuery)
		}))
	require.Empty(t, tapeFiles(t, dir))
}

// A model shows no headers: the environment says what its keys are.
func TestTapeKeepsSecretsOfTheEnvironment(t *testing.T) {
	t.Setenv("LLMTEST_API_KEY", "key-of-the-environment")
	dir := t.TempDir()
	step := llmtest.Text("It is key-of-the-environment, not " + likeAKey + ".").And(llmtest.Calls("f", `{"key":"key-of-the-environment","password":"hunter2"}`))
	require.Empty(t, complaints(func(tb testing.TB) {
		sendAll(tb, tape.Record(tb, dir).Model(llmtest.Script(t, step)), streamed(ask("The key key-of-the-environment.")))
	}))
	file := tapeFiles(t, dir)["001.json"]
	for _, secret := range []string{"key-of", "the-env", "environment", "0123456789", "XYZ"} {
		require.NotContains(t, file, secret)
	}
	require.Contains(t, file, `hunter2`, "arguments are replayed as they were")
	require.Empty(t, complaints(func(tb testing.TB) {
		got := sendAll(tb, tape.Replay(tb, dir).Model(nil), streamed(ask("The key [scrubbed].")))
		var shown string
		for _, d := range got[0].deltas {
			if text, ok := d.(llm.TextDelta); ok {
				shown += text.Text
			}
		}
		require.Equal(t, "It is [scrubbed], not [scrubbed].", shown)
		require.Equal(t, shown, got[0].resp.Message.Text())
	}))
	require.Empty(t, complaints(func(tb testing.TB) { // the program that was recorded, as it was
		sendAll(tb, tape.Replay(tb, dir).Model(nil), streamed(ask("The key key-of-the-environment.")))
	}))
}
