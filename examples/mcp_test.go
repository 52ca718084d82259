package examples_test

import (
	"bufio"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

const (
	entries  = `{"entries":["The ferry from Lisbon to Cacilhas leaves every 20 minutes.","In Lisbon the the tram 28 is full: walk up before nine."],"of":3}`
	slips    = `["entry 2: the is there twice","entry 3: the full stop is missing"]`
	mcpCalls = `> Find the entries about Lisbon, proofread all, and delete those about Lisbon.
notebook__find {"about":"Lisbon"} [r1.t1.c0]
notebook__delete needs approval: {"about":"Lisbon"} [r1.t1.c1]
notebook__proofread {} [r1.t1.c2]
notebook__find = ` + entries + ` [r1.t1.c0]
notebook__proofread = ` + slips + ` [r1.t1.c2]
`
	mcpSays = `This is what the tools say:
- notebook__find(Lisbon): entries ["The ferry from Lisbon to Cacilhas leaves every 20 minutes.","In Lisbon the the tram 28 is full: walk up before nine."], of 3
- notebook__delete(Lisbon): WHAT
- notebook__proofread(): ` + slips + `
turns: 2, tokens: N in, N out
`
	mcpApproved = mcpCalls + `approved [r1.t1.c1]
notebook__delete {"about":"Lisbon"} [r1.t1.c1]
notebook__delete = 2 of 3 entries were deleted. [r1.t1.c1]
`
	nobody   = "The call was denied: there is no terminal to ask a person. It did not run. Do not repeat it: go on without it, or ask the user."
	noAnswer = "there is no terminal, so calls that need approval are denied; -yes approves all calls\n"
)

// mcpSaid returns the answer after an outcome of the call of delete.
func mcpSaid(what string) string { return strings.Replace(mcpSays, "WHAT", what, 1) }

var (
	reading = regexp.MustCompile(`(?m)^[123] of 3: reading \[r1\.t1\.c2\]\n`)
	results = regexp.MustCompile(`(?m)(^\S+ = .* \[r1\.t1\.c\d\]\n)+`)
)

// inOrder returns an output with the results in the order of the calls, and without
// reports of progress, whose number depends on timing.
func inOrder(output string) string {
	return results.ReplaceAllStringFunc(reading.ReplaceAllString(output, ""), func(lines string) string {
		ref := func(line string) string { return line[strings.LastIndex(line, "["):] }
		return strings.Join(slices.SortedFunc(strings.Lines(lines), func(a, b string) int { return strings.Compare(ref(a), ref(b)) }), "")
	})
}

func runMCP(t *testing.T, args ...string) outcome {
	t.Helper()
	o := start(t, nil, "", "mcp", args...)
	o.stdout = inOrder(o.stdout)
	return o
}

// TestMCP: without flags the program is its own server. Without a terminal there is
// no approval.
func TestMCP(t *testing.T) {
	t.Parallel()
	denied := mcpCalls + "denied [r1.t1.c1]\nnotebook__delete denied: " + nobody + " [r1.t1.c1]\n" + mcpSaid(nobody)
	for _, tt := range []struct {
		name string
		args []string
		want outcome
	}{
		{"denied", nil, outcome{denied, notice + noAnswer, 0}},
		{"not streamed", []string{"-stream=false"}, outcome{denied, notice + noAnswer, 0}},
		{"approved", []string{"-yes"}, outcome{mcpApproved + mcpSaid("2 of 3 entries were deleted."), notice, 0}},
		{"another question", []string{"Which entries are about", "Ada?"}, outcome{`> Which entries are about Ada?
notebook__find {"about":"Ada"} [r1.t1.c0]
notebook__delete needs approval: {"about":"Ada"} [r1.t1.c1]
notebook__proofread {} [r1.t1.c2]
notebook__find = {"entries":["Ada brings the tickets for the concert"],"of":3} [r1.t1.c0]
notebook__proofread = ` + slips + ` [r1.t1.c2]
denied [r1.t1.c1]
notebook__delete denied: ` + nobody + ` [r1.t1.c1]
This is what the tools say:
- notebook__find(Ada): entries ["Ada brings the tickets for the concert"], of 3
- notebook__delete(Ada): ` + nobody + `
- notebook__proofread(): ` + slips + `
turns: 2, tokens: N in, N out
`, notice + noAnswer, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, runMCP(t, tt.args...))
		})
	}
}

// TestMCPJSON: all events are printed, including progress.
func TestMCPJSON(t *testing.T) {
	t.Parallel()
	o := runMCP(t, "-json")
	require.Equal(t, notice, o.stderr)
	require.Zero(t, o.status)
	_, types := events(t, o.stdout)
	require.Contains(t, types, "tool_progress")
	require.Contains(t, types, "approval_decided")
	require.Equal(t, "run_finished", types[len(types)-1])
	require.Contains(t, o.stdout, nobody)
}

const findTool = `
  notebook__find (read-only)
    Finds the entries about something.
    {
      "type": "object",
      "properties": {
        "about": {
          "type": "string",
          "description": "A word that the entries have",
          "minLength": 1
        }
      },
      "additionalProperties": false,
      "required": [
        "about"
      ]
    }
`

func TestMCPList(t *testing.T) {
	t.Parallel()
	o := start(t, nil, "", "mcp", "-list")
	require.Empty(t, o.stderr) // the program looks for no model
	require.Zero(t, o.status)
	require.True(t, strings.HasPrefix(o.stdout, "notebook: 4 tools\n"+findTool+`
  notebook__add (asks for approval)
    Writes something down.
`), o.stdout)
	require.Contains(t, o.stdout, "\n  notebook__delete (asks for approval, destructive, idempotent)\n")

	o = start(t, nil, "", "mcp", "-list", "-json")
	require.Empty(t, o.stderr)
	require.Zero(t, o.status)
	var doc struct {
		Type, Server string
		Tools        []struct {
			Tool, Name, Description, Fingerprint string
			Schema                               json.RawMessage
			ReadOnly                             bool `json:"read_only"`
			Approval, Destructive, Idempotent    bool
			OpenWorld                            bool `json:"open_world"`
		}
	}
	dec := json.NewDecoder(strings.NewReader(o.stdout))
	dec.DisallowUnknownFields()
	require.NoError(t, dec.Decode(&doc))
	require.Equal(t, int64(len(o.stdout)-1), dec.InputOffset())
	require.Equal(t, "server", doc.Type)
	require.Equal(t, "notebook", doc.Server)
	var names []string
	for _, tool := range doc.Tools {
		names = append(names, tool.Tool)
		require.NotEmpty(t, tool.Fingerprint)
		require.NotEqual(t, tool.Approval, tool.ReadOnly)
		require.False(t, tool.ReadOnly && tool.Destructive)
	}
	require.Equal(t, []string{"notebook__find", "notebook__add", "notebook__delete", "notebook__proofread"}, names)
	require.JSONEq(t, `{"type":"object","properties":{"about":{"type":"string","description":"A word that the entries have","minLength":1}},"additionalProperties":false,"required":["about"]}`, string(doc.Tools[0].Schema))
}

// TestMCPListHostile: texts of a server cannot move the cursor or reverse text.
func TestMCPListHostile(t *testing.T) {
	t.Parallel()
	server := sdk.NewServer(&sdk.Implementation{Name: "evil", Version: "v1"}, nil)
	server.AddTool(&sdk.Tool{
		Name: "wipe", Description: "a\x1b[2Jb\u202ec\nd\r\u200be", Annotations: &sdk.ToolAnnotations{ReadOnlyHint: true},
		InputSchema: json.RawMessage(`{"type":"object","title":"x\u001b[2J` + "\u202e\U000e0041" + `"}`),
	}, nil)
	front := httptest.NewServer(sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server }, nil))
	t.Cleanup(front.Close)
	o := start(t, nil, "", "mcp", "-list", "-url", "evil: "+front.URL)
	require.Equal(t, outcome{`evil: 1 tool

  evil__wipe (read-only)
    a[2Jbc
    de
    {
      "type": "object",
      "title": "x\u001b[2J\u202e\udb40\udc41"
    }

`, "", 0}, o)
}

// mcpConfig returns a configuration of two servers, of which the second does not
// start.
func mcpConfig(t *testing.T) string {
	t.Helper()
	type server struct {
		Command string   `json:"command"`
		Args    []string `json:"args"`
	}
	data, err := json.Marshal(map[string]any{"mcpServers": map[string]server{
		"desk": {filepath.Join(bin, "mcp"+exe), []string{"serve"}},
		"gone": {filepath.Join(bin, "mcp"+exe), []string{"serve", "-http", "nowhere"}},
	}})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "mcp.json")
	require.NoError(t, os.WriteFile(file, data, 0o600))
	return file
}

// TestMCPConfig: the program reports a server that does not start, and uses the
// others.
func TestMCPConfig(t *testing.T) {
	t.Parallel()
	const why = "the server's process ended: exit status 1; its standard error ended with: mcp: listen tcp: address nowhere: missing port in address"
	config := mcpConfig(t)
	o := runMCP(t, "-config", config, "What is with the concert?")
	require.Equal(t, 0, o.status)
	require.Contains(t, o.stdout, "My tools: desk__find, desk__add, desk__delete, desk__proofread.")
	require.Equal(t, notice+"toolset \"gone\": "+why+"\n", o.stderr)

	o = start(t, nil, "", "mcp", "-config", config, "-list")
	require.Equal(t, 1, o.status)
	require.Equal(t, "mcp: 1 of 2 servers did not list all their tools\n", o.stderr)
	require.True(t, strings.HasPrefix(o.stdout, "desk: 4 tools\n"), o.stdout)
	require.True(t, strings.HasSuffix(o.stdout, "\n\ngone: "+why+"\n\n"), o.stdout)
}

// TestMCPNames: several servers at once have different names.
func TestMCPNames(t *testing.T) {
	t.Parallel()
	self := "'" + filepath.Join(bin, "mcp"+exe) + "' serve"
	o := start(t, nil, "", "mcp", "-list", "-server", self, "-server", "desk: "+self, "-server", "desk: KEY=1 "+self)
	require.Equal(t, 0, o.status, o.stderr)
	require.Equal(t, []string{"mcp: 4 tools", "desk: 4 tools", "desk-2: 4 tools"}, slices.DeleteFunc(strings.Split(o.stdout, "\n"), func(line string) bool {
		return line == "" || strings.HasPrefix(line, " ")
	}))
}

// serveMCP starts the program as a server over HTTP. stop ends it.
func serveMCP(t *testing.T) (address *url.URL, stop func()) {
	t.Helper()
	cmd := command(t, nil, "mcp", "serve", "-http", "127.0.0.1:0")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	require.True(t, lines.Scan(), "it ended")
	address, err = url.Parse(lines.Text())
	require.NoError(t, err)
	return address, func() {
		if runtime.GOOS == "windows" { // Windows cannot interrupt another process
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			return
		}
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		require.NoError(t, cmd.Wait())
	}
}

// keyed returns a proxy of a server, and the keys that it receives.
func keyed(t *testing.T, target *url.URL) (address string, keys func() map[string]bool) {
	t.Helper()
	var mu sync.Mutex
	seen := map[string]bool{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen[r.Header.Get("X-Key")] = true
		mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	return front.URL, func() map[string]bool {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(seen)
	}
}

// TestMCPOverHTTP: a client sees the changes of an earlier client. A header goes
// only to the server before it.
func TestMCPOverHTTP(t *testing.T) {
	t.Parallel()
	target, stop := serveMCP(t)
	o := runMCP(t, "-url", "notebook: "+target.String(), "-yes")
	require.Equal(t, outcome{mcpApproved + mcpSaid("2 of 3 entries were deleted."), notice, 0}, o)

	one, keysOfOne := keyed(t, target)
	two, keysOfTwo := keyed(t, target)
	o = runMCP(t, "-url", one, "-header", "X-Key: abcdef", "-url", "other: "+two, `Find "Lisbon"`)
	require.Equal(t, outcome{`> Find "Lisbon"
127-0-0-1__find {"about":"Lisbon"} [r1.t1.c0]
other__find {"about":"Lisbon"} [r1.t1.c1]
127-0-0-1__find = {"entries":[],"of":1} [r1.t1.c0]
other__find = {"entries":[],"of":1} [r1.t1.c1]
This is what the tools say:
- 127-0-0-1__find(Lisbon): entries [], of 1
- other__find(Lisbon): entries [], of 1
turns: 2, tokens: N in, N out
`, notice, 0}, o)
	require.Equal(t, map[string]bool{"abcdef": true}, keysOfOne())
	require.Equal(t, map[string]bool{"": true}, keysOfTwo())
	stop()
}

func TestMCPBadFlags(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args   []string
		want   string
		status int
	}{
		{[]string{"-server", "a 'b"}, "mcp: -server: a quote is not closed: '\n", 2},
		{[]string{"-list", "What?"}, "mcp: -list takes no question\n", 2},
		{[]string{"-server", " "}, "mcp: -server: the command is missing\n", 2},
		{[]string{"-server", "A=secret"}, "mcp: -server: the command is missing\n", 2},
		{[]string{"-server", "bad__name: mcp"}, `mcp: mcp server "bad__name": Name: must have 1 to 32 letters, digits, - and single _, and must not end in _` + "\n", 1},
		{[]string{"-url", "localhost"}, "mcp: -url: not a URL such as https://example.com/mcp\n", 2},
		{[]string{"-header", "Key: secret"}, `mcp: -header "Key": must follow the -url that it is for` + "\n", 2},
		{[]string{"-url", "http://127.0.0.1:1", "-header", "secret"}, "mcp: -header: the form is 'Name: value'\n", 2},
		{[]string{"serve", "-http", "0.0.0.0:0"}, "mcp: -http 0.0.0.0:0: other machines can reach this address; use 127.0.0.1 or localhost\n", 1},
	} {
		o := start(t, nil, "", "mcp", tt.args...)
		require.Equal(t, outcome{"", tt.want, tt.status}, outcome{o.stdout, strings.TrimPrefix(o.stderr, notice), o.status})
	}
	o := start(t, nil, "", "mcp", "-config", filepath.Join(t.TempDir(), "nothing.json"))
	require.Equal(t, 2, o.status)
	require.Contains(t, o.stderr, "mcp: -config: ")
	empty := filepath.Join(t.TempDir(), "empty.json")
	require.NoError(t, os.WriteFile(empty, []byte(`{"mcpServers":{}}`), 0o600))
	o = start(t, nil, "", "mcp", "-config", empty)
	require.Equal(t, 2, o.status)
	require.Contains(t, o.stderr, "has no servers")
}

// TestMCPRealServers: public servers, started as a user starts them, below a
// directory whose name needs quotes. See TestRealServers of tool/mcp for the
// variables.
func TestMCPRealServers(t *testing.T) {
	t.Parallel()
	node := os.Getenv("TOOLLOOP_MCP_NODE")
	if node == "" {
		require.Empty(t, os.Getenv("TOOLLOOP_REQUIRE_MCP"), "TOOLLOOP_MCP_NODE is not set")
		t.Skip("real servers of MCP need TOOLLOOP_MCP_NODE")
	}
	_, err := exec.LookPath("node")
	require.NoError(t, err)
	real := func(name, args string) string {
		return "node '" + filepath.Join(node, "node_modules", "@modelcontextprotocol", name, "dist", "index.js") + "' " + args
	}
	dir := filepath.Join(t.TempDir(), "the files")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.txt"), []byte("some text"), 0o600))
	files, everything := real("server-filesystem", "'"+dir+"'"), real("server-everything", "stdio")

	o := start(t, nil, "", "mcp", "-list", "-server", files, "-server", everything)
	require.Equal(t, 0, o.status, o.stderr)
	require.Contains(t, o.stdout, "filesystem: 14 tools\n")
	require.Contains(t, o.stdout, "\n  filesystem__write_file (asks for approval, destructive, idempotent)\n")
	require.Contains(t, o.stdout, "\neverything: 13 tools\n")
	require.Contains(t, o.stdout, "\n  everything__simulate-research-query (asks for approval)\n")

	file := filepath.Join(dir, "a.txt")
	o = start(t, nil, "", "mcp", "-server", "desk: "+files, `Read the text of "`+file+`"`)
	require.Equal(t, 0, o.status, o.stderr)
	require.Regexp(t, `(?m)^desk__read_text_file \{"path":"`+regexp.QuoteMeta(file)+`"\} \[r1\.t1\.c\d\]$`, o.stdout)
	require.Contains(t, o.stdout, "\n- desk__read_text_file("+file+"): some text\n")

	o = start(t, nil, "", "mcp", "-server", "all: "+everything, "Trigger an operation of 1 second, and get a tiny picture.")
	require.Equal(t, 0, o.status, o.stderr)
	require.Contains(t, o.stdout, "Here's the image you requested: [image, ")
	require.Regexp(t, `(?m)^\d of 5 \[r1\.t\d\.c\d\]$`, o.stdout)
}
