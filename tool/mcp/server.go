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

// A Server says where an MCP server is and how far it is trusted. Exactly one of
// Command, URL and Dial must be set. It is not changed once a [Client] was opened
// with it; its functions may be called by several goroutines at once.
type Server struct {
	// Name comes before the names of the tools, as in name__tool. It consists of
	// letters, digits, - and single _ (not at the end), at most 32, and must be the
	// only one of its client.
	Name string
	// Bare leaves Name out of the names of the tools. A bare server can then offer
	// what another one would, if that cannot be reached: have one at most.
	Bare bool

	// Command is a program and its arguments: the server is a process of ours,
	// spoken to over its standard input and output. What it writes to its standard
	// error goes to Log.
	Command []string
	// Env is what the process finds in its environment beside PATH, HOME, the proxies
	// and a few more, which name no secret unless a proxy's address does. A value is
	// not logged.
	Env map[string]string
	// Dir is the process's working directory. Empty: that of this process.
	Dir string

	// URL is that of a server that speaks streamable HTTP.
	URL string
	// Header is sent with each request to the host of URL, and to no other.
	Header map[string]string
	// OAuth gets tokens; see the SDK's package auth. Nil: none.
	OAuth auth.OAuthHandler
	// HTTPClient makes the requests. Nil: one of our own.
	HTTPClient *http.Client

	// Dial connects to a server in any other way, as to one in this process.
	// It is called for each connection. ctx ends with the connection, or when
	// StartTimeout is over before there is one.
	Dial func(ctx context.Context) (sdk.Transport, error)

	// Allow names the tools that are offered, as the server names them, in the
	// patterns of [path.Match]; empty: all. Deny names those that are not.
	Allow, Deny []string

	// Ask reports whether each call of a tool waits for a person's approval. Nil:
	// if the server does not call the tool read-only.
	Ask func(Definition) bool
	// Options are more of what to make a tool with: tool.Timeout, tool.Concurrency,
	// a policy of approval.
	Options func(Definition) []tool.Option
	// IgnoreHints takes no tool for read-only or idempotent because its server
	// says so.
	IgnoreHints bool

	// Known are the fingerprints of the definitions that somebody has looked at, by
	// the server's name of the tool; see [Definition]. A tool that is not among
	// them counts as changed. Nil: the first definition that this client sees of a
	// tool is taken for known.
	Known map[string]string
	// Changed says what becomes of a tool whose definition is not the known one. That
	// there is one is told in Log, and unless the server is Required as a notice.
	Changed Change

	// Sample answers the server's requests to a model, Elicit those to a person.
	// Nil: they are refused. They must return when their context ends. In the mode
	// "url" an elicitation is about a page that the person is to open.
	//
	//lint:ignore SA1019 the protocol's newest version lacks it, and servers of the older ones ask
	Sample func(context.Context, *sdk.CreateMessageRequest) (*sdk.CreateMessageResult, error)
	Elicit func(context.Context, *sdk.ElicitRequest) (*sdk.ElicitResult, error)

	// Required makes a run fail if the server cannot be reached when its tools are
	// listed. Else it goes on without them, and a notice tells.
	Required bool

	// StartTimeout bounds the time until the tools are listed, starting the
	// process included. 0: 60 seconds; -1: none.
	StartTimeout time.Duration
	// MaxTools is how many tools are offered; the server's others are left out. 0:
	// 128, more than which some providers refuse; -1: as many as there are.
	MaxTools int
	// MaxMessage is how large a message of the server may be, in bytes; a larger
	// one ends the connection. 0: 16 MiB.
	MaxMessage int

	// Log gets what the process writes to its standard error, what is odd about the
	// server, and that it was started again, each line with Name as its attribute
	// "server". Nil: nothing is logged.
	Log *slog.Logger
}

// A Change says what becomes of a tool whose definition has changed since somebody
// looked at it.
type Change string

// What becomes of a changed tool.
const (
	AskAgain Change = ""     // each of its calls waits for approval
	Drop     Change = "drop" // it is not offered
)

// A Definition is what a server says of a tool. It is not to be trusted; the
// hints least of all.
type Definition struct {
	Server      string          // its Name
	Name        string          // as the server says it
	Tool        string          // the name that the model sees
	Description string          // as the model sees it
	Schema      json.RawMessage // of the arguments, byte for byte
	Output      json.RawMessage // the schema of structured results, byte for byte; nil: none

	// The hints, with the protocol's defaults for those that are missing.
	ReadOnly, Destructive, Idempotent, OpenWorld bool

	// Fingerprint is a digest of all of the above but Tool, the same in every
	// process.
	Fingerprint string

	// Changed says that the definition is not the known one: its fingerprint is not
	// that of [Server].Known, or without that not the first that the client saw.
	Changed bool

	task bool // it can be called as a task only
}
