package openai_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

func TestBaseURL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, base, azure, want string }{
		{name: "as documented", base: "https://h.test/v1", want: "https://h.test/v1/chat/completions"},
		{name: "trailing slash", base: "https://h.test/v1/", want: "https://h.test/v1/chat/completions"},
		{name: "two trailing slashes", base: "https://h.test/v1//", want: "https://h.test/v1/chat/completions"},
		{name: "no path", base: "http://localhost:11434", want: "http://localhost:11434/v1/chat/completions"},
		{name: "only a slash", base: "http://localhost:11434/", want: "http://localhost:11434/v1/chat/completions"},
		{name: "white space", base: "  https://h.test/v1 \n", want: "https://h.test/v1/chat/completions"},
		{name: "a slash and white space", base: " https://h.test/ ", want: "https://h.test/v1/chat/completions"},
		{name: "the whole URL", base: "https://h.test/v1/chat/completions", want: "https://h.test/v1/chat/completions"},
		{name: "the whole URL and a slash", base: "https://h.test/v1/chat/completions/", want: "https://h.test/v1/chat/completions"},
		{name: "another version", base: "https://h.test/v1beta/openai/", want: "https://h.test/v1beta/openai/chat/completions"},
		{name: "doubled slash inside", base: "https://h.test//api/v1", want: "https://h.test/api/v1/chat/completions"},
		{name: "a query", base: "https://h.test/v1?tenant=a%20b", want: "https://h.test/v1/chat/completions?tenant=a%20b"},
		{name: "the whole URL and a query", base: "https://h.test/x/chat/completions?a=b", want: "https://h.test/x/chat/completions?a=b"},
		{name: "a fragment", base: "https://h.test/v1#top", want: "https://h.test/v1/chat/completions"},
		{name: "an escaped path", base: "https://h.test/a%2Fb/v1", want: "https://h.test/a%2Fb/v1/chat/completions"},
		{name: "upper case", base: "HTTPS://h.test/V1", want: "https://h.test/V1/chat/completions"},
		{name: "Azure", base: "https://r.openai.azure.com/", azure: "2024-10-21", want: "https://r.openai.azure.com/openai/deployments/my%20model/chat/completions?api-version=2024-10-21"},
		{name: "Azure with openai", base: "https://r.openai.azure.com/openai", azure: "2024-10-21", want: "https://r.openai.azure.com/openai/deployments/my%20model/chat/completions?api-version=2024-10-21"},
		{name: "Azure with a deployment", base: "https://r.openai.azure.com/openai/deployments/d", azure: "v", want: "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=v"},
		{name: "Azure with deployments", base: "https://r.openai.azure.com/openai/deployments/", azure: "v", want: "https://r.openai.azure.com/openai/deployments/my%20model/chat/completions?api-version=v"},
		{name: "Azure, the whole URL", base: "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=old", azure: "new", want: "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=old"},
		{name: "Azure v1", base: "https://r.openai.azure.com/openai/v1/", want: "https://r.openai.azure.com/openai/v1/chat/completions"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := &wire{body: ok}
			c := w.config()
			c.BaseURL, c.AzureAPIVersion = tt.base, tt.azure
			_, err := c.Model("my model").Generate(t.Context(), hello(), nil)
			require.NoError(t, err)
			require.Equal(t, tt.want, w.requests[0].URL.String())
			require.Equal(t, http.MethodPost, w.requests[0].Method)
		})
	}
}

func TestBadBaseURL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, base, want string }{
		{"no scheme", "h.test/v1", `openai: the base URL "h.test/v1" does not begin with http:// or https:// and a host`},
		{"host and port", "localhost:11434", `openai: the base URL "localhost:11434" does not begin with http:// or https:// and a host`},
		{"another scheme", "ftp://u:p@h.test", `openai: the base URL "ftp://h.test" does not begin with http:// or https:// and a host`},
		{"no host", "https:///v1", `openai: the base URL "https:///v1" does not begin with http:// or https:// and a host`},
		{"no URL", "http://u:sekret@[::1/v1?key=sekret", `openai: the base URL "http://[::1/v1" is not a URL`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := openai.Config{BaseURL: tt.base}.Model("m").Generate(t.Context(), hello(), nil)
			require.EqualError(t, err, tt.want)
		})
	}
}

// TestEnvironment is not parallel: it sets the environment.
func TestEnvironment(t *testing.T) {
	for _, tt := range []struct {
		name   string
		env    map[string]string
		config openai.Config
		url    string
		header map[string]string
		err    string
	}{
		{name: "no key for the default host", err: "openai: auth: no API key: set OPENAI_API_KEY, Config.Key or Config.Token"},
		{name: "no key for another host", config: openai.Config{BaseURL: "http://localhost:1"}, url: "http://localhost:1/v1/chat/completions",
			header: map[string]string{"Authorization": ""}},
		{name: "all from the environment", env: map[string]string{"OPENAI_API_KEY": " k1 \n", "OPENAI_ORG_ID": "o", "OPENAI_PROJECT_ID": "p"},
			url:    "https://api.openai.com/v1/chat/completions",
			header: map[string]string{"Authorization": "Bearer k1", "OpenAI-Organization": "o", "OpenAI-Project": "p", "Content-Type": "application/json"}},
		{name: "base URL from the environment", env: map[string]string{"OPENAI_BASE_URL": "http://e.test/", "OPENAI_API_KEY": "k1"},
			url: "http://e.test/v1/chat/completions", header: map[string]string{"Authorization": "Bearer k1"}},
		{name: "the fields win", env: map[string]string{"OPENAI_BASE_URL": "http://e.test", "OPENAI_API_KEY": "k1", "OPENAI_ORG_ID": "o"},
			config: openai.Config{BaseURL: "http://c.test", Key: "k2", Organization: "o2", Project: "p2"}, url: "http://c.test/v1/chat/completions",
			header: map[string]string{"Authorization": "Bearer k2", "OpenAI-Organization": "o2", "OpenAI-Project": "p2"}},
		{name: "the token wins", env: map[string]string{"OPENAI_API_KEY": "k1"},
			config: openai.Config{Token: func(context.Context) (string, error) { return "t1", nil }}, url: "https://api.openai.com/v1/chat/completions",
			header: map[string]string{"Authorization": "Bearer t1"}},
		{name: "an empty token is no key", env: map[string]string{"OPENAI_API_KEY": "k1", "OPENAI_BASE_URL": "http://e.test"},
			config: openai.Config{Token: func(context.Context) (string, error) { return "", nil }}, url: "http://e.test/v1/chat/completions",
			header: map[string]string{"Authorization": ""}},
		{name: "Azure", env: map[string]string{"OPENAI_API_KEY": "k1"}, config: openai.Config{BaseURL: "https://r.test", AzureAPIVersion: "v"},
			url:    "https://r.test/openai/deployments/m/chat/completions?api-version=v",
			header: map[string]string{"Api-Key": "k1", "Authorization": ""}},
		{name: "Azure with a token", config: openai.Config{BaseURL: "https://r.test", AzureAPIVersion: "v", Token: func(context.Context) (string, error) { return "t1", nil }},
			url:    "https://r.test/openai/deployments/m/chat/completions?api-version=v",
			header: map[string]string{"Api-Key": "", "Authorization": "Bearer t1"}},
		{name: "own headers", config: openai.Config{Key: "k", Header: http.Header{"x-title": {"mine"}, "authorization": {"Basic abc"}, "User-Agent": {"me"}, "Accept": nil}},
			url: "https://api.openai.com/v1/chat/completions", header: map[string]string{"X-Title": "mine", "Authorization": "Basic abc", "User-Agent": "me", "Accept": ""}},
		{name: "a header is enough for the default host", config: openai.Config{Header: http.Header{"Authorization": {"Bearer h"}}},
			url: "https://api.openai.com/v1/chat/completions", header: map[string]string{"Authorization": "Bearer h"}},
		{name: "a key of two lines", config: openai.Config{Key: "k\nl"}, err: "openai: auth: the API key holds a line break or another control character"},
		{name: "a token that fails", config: openai.Config{Token: func(context.Context) (string, error) { return "", errors.New("vault: https://u:p@v.test is closed") }},
			err: "openai: auth: Config.Token: vault: https://[redacted]@v.test is closed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			w := &wire{body: ok}
			tt.config.HTTPClient = &http.Client{Transport: w}
			_, err := tt.config.Model("m").Generate(t.Context(), hello(), nil)
			if tt.err != "" {
				require.EqualError(t, err, tt.err)
				requireKind(t, llm.KindAuth, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.url, w.requests[0].URL.String())
			for name, value := range tt.header {
				require.Equal(t, value, w.requests[0].Header.Get(name), name)
			}
		})
	}
}

func TestEnvironmentIsReadAtFirstUse(t *testing.T) {
	w := &wire{body: ok}
	m := openai.Config{HTTPClient: &http.Client{Transport: w}}.Model("m")
	for _, key := range []string{"first", "second"} {
		t.Setenv("OPENAI_API_KEY", key)
		_, err := m.Generate(t.Context(), hello(), nil)
		require.NoError(t, err)
	}
	require.Equal(t, "Bearer first", w.requests[0].Header.Get("Authorization"))
	require.Equal(t, "Bearer first", w.requests[1].Header.Get("Authorization"))
}

func TestTokenIsAskedEachTime(t *testing.T) {
	t.Parallel()
	n := 0
	w := &wire{body: ok}
	c := w.config()
	c.Token = func(context.Context) (string, error) { n++; return fmt.Sprint("token-", n), nil }
	m := c.Model("m")
	for i := range 2 {
		_, err := m.Generate(t.Context(), hello(), nil)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint("Bearer token-", i+1), w.requests[i].Header.Get("Authorization"))
	}
}

func TestConfigIsCopied(t *testing.T) {
	t.Parallel()
	w := &wire{body: ok}
	c := w.config()
	c.Header, c.Profile = http.Header{"X-A": {"1"}}, &openai.Profile{Echo: []string{"reasoning"}}
	m := c.Model("m")
	c.Header["X-A"][0] = "2"
	c.Header.Set("X-B", "2")
	c.Profile.Echo[0] = "other"
	req := hello()
	req.Messages = append(req.Messages, llm.Message{Role: llm.RoleAssistant, Parts: llm.Parts{llm.Reasoning{Text: "t", Field: "reasoning"}, llm.Text{Text: "a"}}})
	_, err := m.Generate(t.Context(), req, nil)
	require.NoError(t, err)
	require.Contains(t, w.bodies[0], `"reasoning":"t"`)
	w.requests[0].Header["X-A"][0] = "3" // as a transport may do
	_, err = m.Generate(t.Context(), req, nil)
	require.NoError(t, err)
	w.requests = w.requests[1:]
	require.Equal(t, "1", w.requests[0].Header.Get("X-A"))
	require.Empty(t, w.requests[0].Header.Get("X-B"))
}

func TestPrintedConfigHidesSecrets(t *testing.T) {
	t.Parallel()
	c := openai.Config{
		BaseURL: "https://user:sekret@h.test/v1?key=sekret", Key: "sekret",
		Token:  func(context.Context) (string, error) { return "sekret", nil },
		Header: http.Header{"Authorization": {"sekret"}, "X-Title": {"sekret"}}, Organization: "acme",
		Timeout: time.Minute, Retry: wrap.Retry{Attempts: 7}, Profile: &openai.Profile{Echo: []string{"reasoning_content"}},
	}
	const profile = `{API: Echo:[reasoning_content] EchoEmpty:false MaxTokensField: EmptyContent: CallIDs: NoCallExtra:false ToolName:false ToolImages: Bridge:false NoDeveloper:false KeepSystem:false Schema: SchemaOmit:[] Strict: ToolChoice: AllowedTools:false ToolEffort: NeedTools:false Output: TextResults:false NoReasoningItems:false Omit:[]}`
	const want = `openai.Config{BaseURL:https://h.test/v1 Key:[hidden] Token:[hidden] Organization:acme Header:Authorization,X-Title Timeout:1m0s Attempts:7 Profile:` + profile + `}`
	require.Equal(t, want, c.String())
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("made", "config", c, "pointer", &c)
	texts := []string{logged.String()}
	model := c.Model("m")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		texts = append(texts,
			fmt.Sprintf(verb, c), fmt.Sprintf(verb, &c), fmt.Sprintf(verb, model),
			fmt.Sprintf(verb, struct{ C openai.Config }{c}), fmt.Sprintf(verb, []any{c, model}))
	}
	for _, text := range texts {
		require.NotContains(t, text, "sekret")
		require.NotContains(t, text, fmt.Sprintf("%x", "sekret"))
	}
	require.Equal(t, want, fmt.Sprintf("%+v", c))
	require.Contains(t, logged.String(), "config.Organization=acme")
}

// TestBadBaseURLHidesSecrets has base URLs that are none, in which a password
// or a key stands where no parser finds it.
func TestBadBaseURLHidesSecrets(t *testing.T) {
	t.Parallel()
	for base, shown := range map[string]string{
		"https://sekret:sek/ret@h.test/v1":       "https://h.test/v1",
		"https://sekret:sek?ret@h.test/v1":       "https://h.test/v1",
		"https://sekret:sek#ret@h.test/v1":       "https://h.test/v1",
		"https://sekret:sek ret@h.test":          "https://h.test",
		`https://sekret:sek"ret@h.test?k=sekret`: "https://h.test",
		"https://sekret:sek@ret@h.te st/v1":      "https://h.te st/v1",
		"https://sekret:sek%zzret@h.test#sekret": "https://h.test",
		"sekret:sekret@h.test/v1":                "h.test/v1",
		"sekret@h.test/v1":                       "h.test/v1",
		"sekret:se://kret@h.test/v1":             "h.test/v1",
		"h.test/v1?key=sekret":                   "h.test/v1",
		"https://h .test/v1?key=sekret":          "https://h .test/v1",
		"//sekret:sekret@h.test/v1":              "//h.test/v1",
		"ftp://sekret:sekret@h.test":             "ftp://h.test",
	} {
		c := openai.Config{BaseURL: base}
		require.Equal(t, "openai.Config{BaseURL:"+shown+"}", fmt.Sprintf("%v", c))
		_, err := c.Model("m").Generate(t.Context(), hello(), nil)
		require.ErrorContains(t, err, fmt.Sprintf("%q", shown))
		for _, secret := range []string{"sek", "ret@"} {
			require.NotContains(t, err.Error(), secret, base)
		}
	}
}

func TestClientIsNotChanged(t *testing.T) {
	t.Parallel()
	w := &wire{body: ok}
	h := &http.Client{Transport: w, Timeout: time.Minute}
	_, err := openai.Config{BaseURL: "http://h.test", HTTPClient: h}.Model("m").Generate(t.Context(), hello(), nil)
	require.NoError(t, err)
	require.Nil(t, h.CheckRedirect)
	require.Equal(t, time.Minute, h.Timeout)
}

func TestSharedTransportKeepsProxy(t *testing.T) {
	t.Parallel()
	shared := openai.SharedTransport().(*http.Transport)
	require.NotNil(t, shared.Proxy)
	require.NotSame(t, http.DefaultTransport, shared)
	require.Greater(t, shared.MaxIdleConnsPerHost, 2)
	require.Equal(t, int64(1<<20), shared.MaxResponseHeaderBytes)
	require.Equal(t, &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second}, shared.HTTP2)
}

func TestAzureNeedsBaseURL(t *testing.T) {
	t.Parallel()
	w := &wire{body: ok}
	c := w.config()
	c.BaseURL, c.AzureAPIVersion = "", "v"
	_, err := c.Model("m").Generate(t.Context(), hello(), nil)
	require.EqualError(t, err, "openai: AzureAPIVersion needs a BaseURL")
	require.Empty(t, w.requests)
}

// TestHeaderThatCannotBeSent holds that it is told before sending, and is no
// error of the network, which would be retried.
func TestHeaderThatCannotBeSent(t *testing.T) {
	t.Parallel()
	for want, header := range map[string]http.Header{
		`openai: the value of the header "X-Auth" holds a line break or another control character`: {"x-auth": {"fine\tso far", "sek\nret"}},
		`openai: "X Auth" is not a name of a header`:                                               {"X Auth": {"v"}},
		`openai: "" is not a name of a header`:                                                     {"": {"v"}},
		`openai: "X:A" is not a name of a header`:                                                  {"X:A": {"v"}},
	} {
		w := &wire{body: ok}
		c := w.config()
		c.Retry, c.Header = wrap.Retry{MinDelay: -1}, header
		_, err := c.Model("m").Generate(t.Context(), hello(), nil)
		require.EqualError(t, err, want)
		require.Empty(t, w.requests)
	}
}

func TestNoModel(t *testing.T) {
	t.Parallel()
	_, err := openai.Config{BaseURL: "http://h.test"}.Model("").Generate(t.Context(), hello(), nil)
	require.EqualError(t, err, "openai: the request names no model, and neither does Model")
}
