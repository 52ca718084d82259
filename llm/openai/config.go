package openai

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// Defaults of the fields of [Config].
const (
	DefaultBaseURL          = "https://api.openai.com/v1"
	DefaultFirstByteTimeout = 10 * time.Minute
	DefaultStallTimeout     = 5 * time.Minute
	DefaultTimeout          = 30 * time.Minute
	DefaultMaxEventBytes    = 32 << 20
	DefaultMaxResponseBytes = 256 << 20
	DefaultMaxResultBytes   = 512 << 10
)

// Model returns the named model, configured by the environment:
// Config{}.Model(name).
func Model(name string) llm.Model { return Config{}.Model(name) }

// Config configures the access to a model. The zero value is ready for use and
// takes all settings from the environment.
//
// A Config is a plain value: a copy is independent, and [Config.Model] copies
// the fields, so that later changes do not affect a model. fmt and slog print a
// Config without keys, header values and credentials in URLs. The exception is
// a Config in an unexported field of another struct: fmt prints every field, also
// the keys, because fmt calls no methods there. Keep the Config behind a pointer or
// in an exported field there.
//
// A model reads the environment once, at its first use.
type Config struct {
	// BaseURL is the URL of the API, with or without "/chat/completions" at the
	// end. Empty means OPENAI_BASE_URL, and without that variable
	// https://api.openai.com/v1.
	//
	// A URL without a path gets /v1. A URL with a path, such as
	// https://api.example.com/v1beta/openai, must contain the version already. A
	// query is kept. White space around the URL and slashes at the end do not
	// matter.
	BaseURL string

	// Key is the API key, sent as "Authorization: Bearer". Empty means
	// OPENAI_API_KEY. Without any key, Generate returns an error of kind auth for
	// api.openai.com and sends no request; other hosts get requests without the
	// header.
	Key string
	// Token returns the key for each request, for keys that rotate, and takes the
	// place of Key. If Token returns "", no key is sent. If Token returns an
	// error, Generate returns an error of kind auth that wraps the error of
	// Token. Token runs on the goroutine that called Generate, so Token must be safe
	// for concurrent use. The time in Token counts towards Timeout, but not towards
	// FirstByteTimeout and StallTimeout. Nil means Key.
	Token func(ctx context.Context) (string, error)

	Organization string // sent as "OpenAI-Organization"; empty means OPENAI_ORG_ID, if set
	Project      string // sent as "OpenAI-Project"; empty means OPENAI_PROJECT_ID, if set

	// Header is sent with each request. A header here replaces the client's own
	// header of the same name; a name without a value removes the client's header.
	Header http.Header

	// AzureAPIVersion, such as "2024-10-21", makes the model a client of Azure
	// OpenAI. BaseURL is then the endpoint of the resource. The name of the model
	// is the name of the deployment and goes into the path. The version goes into
	// the query as "api-version". Key is sent as "api-key", and a Token still as
	// "Authorization: Bearer". Leave AzureAPIVersion empty for Azure's v1 API,
	// whose base URL ends in /openai/v1.
	AzureAPIVersion string

	// API chooses between Chat Completions and the Responses API. Empty
	// ([APIAuto]) means Chat Completions, unless the model is known to need the
	// Responses API, or refuses a request and names the Responses API; an
	// llm.Notice reports the change. A conversation can go on with the other API
	// at any time.
	API API

	// HTTPClient sends the requests and is never changed. Nil means a client that
	// all models share, with the proxy of the environment and a limit of ten
	// seconds for making a connection. Redirects are not followed unless
	// HTTPClient has its own CheckRedirect.
	//
	// The shared client is made for many concurrent runs: it has no limit on the
	// connections to a host, and keeps up to 4,096 idle connections for 90 seconds, to
	// one host or to all. Long requests are written without a buffer for each. An
	// HTTPClient that serves many runs needs a Transport with a MaxIdleConnsPerHost of
	// at least the number of runs: with the default of two, most turns would make a
	// connection.
	HTTPClient *http.Client

	// FirstByteTimeout limits the wait from sending the request to the first byte
	// of the response body. Without Stream this is the whole thinking time of the
	// model. Zero means ten minutes. -1 means no limit.
	FirstByteTimeout time.Duration
	// StallTimeout limits each wait for more bytes after the first byte; comments
	// that keep the connection alive count as bytes. The time that a sink takes does
	// not count. Zero means five minutes. -1 means no limit. After the finish
	// reason of a stream, the client waits at most ten seconds for the rest.
	StallTimeout time.Duration
	// Timeout limits one request from sending to the end of the response,
	// including the time of the sink. Each retry has its own Timeout. Zero means
	// half an hour. -1 means no limit.
	Timeout time.Duration

	// Retry decides which failed requests are sent again. The zero value retries;
	// wrap.Retry{Attempts: 1} does not.
	Retry wrap.Retry

	// MaxEventBytes limits the size of one event of a stream, and so the memory
	// for reading the event. Zero means 32 MiB. -1 means MaxResponseBytes.
	MaxEventBytes int64
	// MaxResponseBytes limits the response body after decompression, and the
	// memory for one response. Zero means 256 MiB. -1 means no limit.
	MaxResponseBytes int64

	// MaxResultBytes limits the text of one tool result. A longer text is cut; a
	// mark in the text and an llm.Notice report the cut. Zero means 512 KiB. -1
	// means no limit.
	MaxResultBytes int64

	// Profile describes the form in which the provider takes requests. Nil means
	// the result of [ProfileFor]. A Profile replaces this result completely: to
	// change one field, begin with the result of ProfileFor.
	//
	// If the provider refuses a request, and the client knows the text of the error,
	// the Model changes the profile for the model of the request, sends the request
	// once more in the new form, and reports the change in an llm.Notice. The change
	// lasts as long as the Model.
	Profile *Profile
}

// Model returns the named model. A request that names another model goes to the
// model of the request.
//
// A Model is safe for concurrent use. Failures between client and provider are
// of type [*llm.APIError] with provider "openai". Mistakes in the request or in
// c are errors of other types. Generate returns all of these errors.
func (c Config) Model(name string) llm.Model {
	c.Header = c.Header.Clone()
	if c.Profile != nil {
		c.Profile = new(c.Profile.clone())
	}
	return c.Retry.Model(newClient(c, name))
}

// String describes c without its secrets.
func (c Config) String() string {
	var b strings.Builder
	b.WriteString("openai.Config{")
	for i, a := range c.attrs() {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s:%s", a.Key, a.Value)
	}
	b.WriteByte('}')
	return b.String()
}

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (c Config) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, c.String()) }

// LogValue implements [slog.LogValuer].
func (c Config) LogValue() slog.Value { return slog.GroupValue(c.attrs()...) }

// attrs returns the fields with a value, secrets as "[hidden]".
func (c Config) attrs() []slog.Attr {
	var attrs []slog.Attr
	add := func(name, value string) {
		if value != "" && value != "0" && value != "0s" {
			attrs = append(attrs, slog.String(name, value))
		}
	}
	add("BaseURL", safeURL(c.BaseURL))
	add("Key", hiddenIf(c.Key != ""))
	add("Token", hiddenIf(c.Token != nil))
	add("Organization", c.Organization)
	add("Project", c.Project)
	add("Header", strings.Join(slices.Sorted(maps.Keys(c.Header)), ","))
	add("AzureAPIVersion", c.AzureAPIVersion)
	add("API", string(c.API))
	add("FirstByteTimeout", c.FirstByteTimeout.String())
	add("StallTimeout", c.StallTimeout.String())
	add("Timeout", c.Timeout.String())
	add("Attempts", fmt.Sprint(c.Retry.Attempts))
	add("MaxEventBytes", fmt.Sprint(c.MaxEventBytes))
	add("MaxResponseBytes", fmt.Sprint(c.MaxResponseBytes))
	add("MaxResultBytes", fmt.Sprint(c.MaxResultBytes))
	if c.Profile != nil {
		add("Profile", fmt.Sprintf("%+v", *c.Profile))
	}
	return attrs
}

func hiddenIf(set bool) string {
	if set {
		return "[hidden]"
	}
	return ""
}
