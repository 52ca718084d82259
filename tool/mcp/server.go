package mcp

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// A Server describes how to reach an MCP server, and how far to trust it. Exactly one
// of Command, URL and Dial must be set. A Server must not be changed after a [Client]
// was opened with the Server. Several goroutines may call the functions of a Server at
// once.
type Server struct {
	// Name is the prefix of the tools' names, as in name__tool. Names are unique
	// within a client. A name has 1 to 32 letters, digits, "-" and single "_", and does
	// not end in "_".
	Name string
	// Bare omits Name from the tools' names. The tools of a bare server can have any
	// name. While another server is unreachable, a bare server could offer tools under
	// the names of that server's tools. Use Bare only for a server that you trust, and
	// for at most one server.
	Bare bool

	// Command is a program with arguments. The client starts the program as a child
	// process, communicates over its standard input and output, and logs its standard
	// error.
	Command []string
	// Env is added to the environment of the process. The process also inherits PATH,
	// HOME, proxy settings and a few more variables. As a rule, these variables hold no
	// secrets, but the URL of a proxy can hold a password. Values are not logged.
	Env map[string]string
	// Dir is the working directory of the process. Empty means the current directory.
	Dir string

	// URL is the address of a server that speaks streamable HTTP.
	URL string
	// Header is sent with each request to the host of URL, and to no other host.
	Header map[string]string
	// OAuth gets access tokens; see the SDK's package auth. Nil means no OAuth.
	OAuth auth.OAuthHandler
	// HTTPClient makes the requests. Nil means a client of this package.
	HTTPClient *http.Client

	// Dial connects to a server in any other way, for example in the same process. Each
	// connection calls Dial. ctx ends with the connection, or when StartTimeout expires
	// before there is a connection.
	Dial func(ctx context.Context) (sdk.Transport, error)

	// Allow has patterns of [path.Match] for the tools to offer. The patterns match the
	// names that the server gives its tools, without the prefix. Empty means all tools.
	// Deny has such patterns for the tools to leave out.
	Allow, Deny []string

	// Ask reports whether each call of a tool waits for a person's approval. Nil means
	// that calls wait unless the server declares the tool read-only.
	Ask func(Definition) bool
	// Options returns further options for a tool, such as tool.Timeout,
	// tool.Concurrency or an approval policy.
	Options func(Definition) []tool.Option
	// IgnoreHints ignores the server's claims that a tool is read-only or idempotent.
	IgnoreHints bool

	// Meta returns members for the _meta of a call, such as the trace context
	// (otel.MCPMeta of runner/otel). ctx is the context of the call. Members of this
	// package and of the protocol win. Nil adds nothing.
	Meta func(ctx context.Context) map[string]any

	// Known holds the fingerprints of definitions that a person has reviewed, by the
	// server's names of the tools; see [Definition]. A tool without an entry counts as
	// changed. Nil means that the first definition of each tool counts as known.
	Known map[string]string
	// Changed is the treatment of tools with changed definitions. Log reports such
	// tools, and so does a notice of the run, unless the server is Required.
	Changed Change

	// Sample handles the server's requests for an answer of a model. Elicit handles the
	// server's requests for a person's input. Nil means that the client refuses such
	// requests. Both functions must return when their context ends. In mode "url",
	// Elicit shows the person the URL to open.
	//
	//lint:ignore SA1019 the protocol's newest version lacks it, and servers of the older ones ask
	Sample func(context.Context, *sdk.CreateMessageRequest) (*sdk.CreateMessageResult, error)
	Elicit func(context.Context, *sdk.ElicitRequest) (*sdk.ElicitResult, error)

	// Required makes a run fail if the server cannot be reached when its tools are
	// listed. Otherwise the run continues without the tools, and a notice reports the
	// failure.
	Required bool

	// StartTimeout bounds the start of the server and the listing of its tools. Zero
	// means 60 seconds. −1 means no limit.
	StartTimeout time.Duration
	// MaxTools is how many tools are offered; further tools are left out. Zero means
	// 128, since some providers refuse more. −1 means no limit.
	MaxTools int
	// MaxMessage is the largest message that the server may send, in bytes. A larger
	// message ends the connection. Zero means 16 MiB.
	MaxMessage int

	// Log receives the standard error of the process, problems of the server, and
	// restarts. The attribute "server" of each line is Name. Nil means no log.
	Log *slog.Logger
}

// A Change is the treatment of a tool whose definition has changed since the review.
type Change string

// The values of a Change.
const (
	AskAgain Change = ""     // each call waits for approval
	Drop     Change = "drop" // the tool is not offered
)

// A Definition is the server's description of a tool. Do not trust a Definition, least of
// all the hints.
type Definition struct {
	Server      string          // [Server].Name
	Name        string          // the server's name of the tool
	Tool        string          // the name that the model sees
	Description string          // the description that the model sees
	Schema      json.RawMessage // the schema of the arguments, byte for byte
	Output      json.RawMessage // the schema of structured results, byte for byte; nil if there is none

	// The hints of the server, or the protocol's defaults.
	ReadOnly, Destructive, Idempotent, OpenWorld bool

	// Fingerprint is a digest of all fields above except Tool. All processes compute the
	// same value.
	Fingerprint string

	// Changed reports a change of the definition: the fingerprint differs from
	// [Server].Known or, without Known, from the first definition that the client saw.
	Changed bool

	task bool // calls are possible only as tasks
}
