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

// What the zero values of [Config] stand for.
const (
	DefaultBaseURL          = "https://api.openai.com/v1"
	DefaultFirstByteTimeout = 10 * time.Minute
	DefaultStallTimeout     = 5 * time.Minute
	DefaultTimeout          = 30 * time.Minute
	DefaultMaxEventBytes    = 32 << 20
	DefaultMaxResponseBytes = 256 << 20
	DefaultMaxResultBytes   = 512 << 10
)

// Model returns the model of that name, configured by the environment. It is
// Config{}.Model(name).
func Model(name string) llm.Model { return Config{}.Model(name) }

// Config says where a model is and how it is reached. The zero value takes all
// from the environment and is ready for use.
//
// A Config is a plain value: a copy is independent, and [Config.Model] copies
// what it needs, so that later changes do not reach a model. Printed with fmt
// or slog in any way it shows no key, no header value and no credentials of a
// URL. The exception is a Config in an unexported field of another struct: fmt
// calls no methods there and prints all of it, so keep it behind a pointer or in
// an exported field of what is printed.
//
// The environment is read when a model is used for the first time, once.
type Config struct {
	// BaseURL is where the API is, "/chat/completions" left out or not. Empty:
	// OPENAI_BASE_URL, and if that is empty, https://api.openai.com/v1.
	//
	// A URL without a path gets /v1. Any other path is taken to hold its version,
	// such as https://api.example.com/v1beta/openai. A query is kept. White space
	// around it and slashes at its end do not matter.
	BaseURL string

	// Key is sent as "Authorization: Bearer". Empty: OPENAI_API_KEY. If there is
	// none, api.openai.com gets no request and Generate returns an error of kind
	// auth; any other host gets a request without the header.
	Key string
	// Token gives the key anew for each request, for keys that rotate; it takes
	// the place of Key. If it returns "", no key is sent. Its error is returned
	// as an error of kind auth that wraps it. It is called on the goroutine of
	// Generate, and by many at once. Of the limits below only Timeout counts its
	// time.
	Token func(ctx context.Context) (string, error)

	Organization string // "OpenAI-Organization". Empty: OPENAI_ORG_ID, if set
	Project      string // "OpenAI-Project". Empty: OPENAI_PROJECT_ID, if set

	// Header is sent with each request. It replaces headers of ours of the same
	// name; a name without a value removes ours.
	Header http.Header

	// AzureAPIVersion, such as "2024-10-21", makes this a client of Azure OpenAI:
	// BaseURL is the resource's endpoint, the name of the model is the name of
	// the deployment and goes into the path, the version goes into the query as
	// "api-version", and Key is sent as "api-key". A Token is still sent as
	// "Authorization: Bearer". Azure's v1 API (a base URL that ends in
	// /openai/v1) needs none of this: leave it empty.
	AzureAPIVersion string

	// API chooses between Chat Completions and the Responses API. Empty
	// ([APIAuto]): Chat Completions, unless the model is known to need the other, or
	// refuses a request and names the other; an llm.Notice tells of the change. A
	// conversation can go on with the other API at any time.
	API API

	// HTTPClient sends the requests. It is used as it is and never changed. Nil:
	// one of ours with the proxy of the environment and ten seconds for making a
	// connection, whose connections all models share. Redirects are not followed unless it has a CheckRedirect of
	// its own.
	HTTPClient *http.Client

	// FirstByteTimeout bounds the wait for the first byte of the answer's body,
	// from sending on. Without Stream this is the time of the whole thinking.
	// Zero: ten minutes. -1: no limit.
	FirstByteTimeout time.Duration
	// StallTimeout bounds the wait between bytes after that; comments that keep
	// the connection alive count as bytes. The time that a sink takes does not
	// count. Zero: five minutes. -1: no limit. Once the finish reason of a stream
	// has come, the rest is waited for no longer than ten seconds.
	StallTimeout time.Duration
	// Timeout bounds one request from sending to the end of its answer, sink
	// included. Each retry has its own. Zero: half an hour. -1: no limit.
	Timeout time.Duration

	// Retry says which failed requests are sent again. The zero value retries;
	// wrap.Retry{Attempts: 1} does not.
	Retry wrap.Retry

	// MaxEventBytes bounds one event of a stream, and with that the memory for
	// reading it. Zero: 32 MiB. -1: MaxResponseBytes.
	MaxEventBytes int64
	// MaxResponseBytes bounds the body of an answer after decompression, and what
	// one answer can take of memory. Zero: 256 MiB. -1: no limit.
	MaxResponseBytes int64

	// MaxResultBytes bounds the text of one tool result that is sent; it is cut,
	// which its text and an llm.Notice tell. Zero: 512 KiB. -1: no limit.
	MaxResultBytes int64

	// Profile says in which form the provider takes requests. Nil: what
	// [ProfileFor] knows. It is used as it stands: who wants to change one thing
	// begins with ProfileFor.
	//
	// A refusal whose words are known changes it for the model of the request, as
	// long as the Model lives: the request is sent once more in the other form, and
	// an llm.Notice names what was learned.
	Profile *Profile
}

// Model returns the model of that name. A request that names a model goes to
// that one instead.
//
// A Model is safe for concurrent use. What goes wrong on the way is an
// [*llm.APIError] with provider "openai"; what is wrong with the request or with
// c is another error, and both are told at first use.
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

// attrs are the fields that are set, secrets as [hidden].
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
