package mcp_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/tied"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

const (
	nodeVariable    = "TOOLLOOP_MCP_NODE"
	requireVariable = "TOOLLOOP_REQUIRE_MCP"
)

// nodePackages are those of npm that the test needs; .ci/run installs them.
var nodePackages = []string{
	"@modelcontextprotocol/server-everything@2026.8.31",
	"@modelcontextprotocol/server-filesystem@2026.8.31",
	"@modelcontextprotocol/server-memory@2026.8.31",
}

// TestRealServers lists and calls every tool of servers that others have written,
// in scripted runs.
func TestRealServers(t *testing.T) {
	t.Parallel()
	dir := nodeDir(t)
	var tally serverTally
	t.Cleanup(tally.print)
	t.Run("everything (stdio)", func(t *testing.T) {
		t.Parallel()
		server := everything()
		server.Command = nodeCommand(dir, "server-everything", "stdio")
		server.Env = map[string]string{"GREETING": "Hei"}
		calls := everythingCalls(dir)
		calls = append(calls, realCall{"get-env", `{}`, func(t *testing.T, got event.ToolCallFinished) {
			env := map[string]string{}
			require.NoError(t, json.Unmarshal([]byte(got.Result.Text()), &env))
			require.Equal(t, "Hei", env["GREETING"])
			require.NotContains(t, env, nodeVariable, "the environment of this process is not the server's")
		}})
		tally.add(t, server, calls, everythingWaits)
	})
	t.Run("everything (http)", func(t *testing.T) {
		t.Parallel()
		server := everything()
		own := new(http.Transport) // that of the process is offline
		t.Cleanup(own.CloseIdleConnections)
		server.HTTPClient = &http.Client{Transport: own}
		server.URL = overHTTP(t, nodeCommand(dir, "server-everything", "streamableHttp"))
		calls := append(everythingCalls(dir), realCall{"get-env", `{}`, has(`"GREETING": "Hei"`)})
		tally.add(t, server, calls, everythingWaits)
	})
	t.Run("filesystem", func(t *testing.T) {
		t.Parallel()
		root, err := filepath.EvalSymlinks(t.TempDir())
		require.NoError(t, err)
		server := mcp.Server{Name: "files", Command: nodeCommand(dir, "server-filesystem", root)}
		tally.add(t, server, filesystemCalls(t, root), []string{"create_directory", "edit_file", "move_file", "write_file"})
	})
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "memory.jsonl")
		server := mcp.Server{Name: "memory", Command: nodeCommand(dir, "server-memory"), Env: map[string]string{"MEMORY_FILE_PATH": file}}
		tally.add(t, server, memoryCalls, []string{
			"add_observations", "create_entities", "create_relations", "delete_entities", "delete_observations", "delete_relations",
		})
		stored, err := os.ReadFile(file)
		require.NoError(t, err)
		require.JSONEq(t, `{"type":"entity","name":"Ann","entityType":"person","observations":["is from Oslo"]}`, string(stored))
	})
}

// nodeDir is where the packages are. Without it the test is skipped, or fails if
// it must run.
func nodeDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv(nodeVariable)
	if dir == "" {
		text := "real servers of MCP need Node and: npm install --ignore-scripts " + strings.Join(nodePackages, " ") + "; then " + nodeVariable + " names the directory"
		if os.Getenv(requireVariable) != "" {
			require.FailNow(t, text)
		}
		t.Skip(text)
	}
	return dir
}

func nodeCommand(dir, name string, args ...string) []string {
	return append([]string{"node", filepath.Join(dir, "node_modules", "@modelcontextprotocol", name, "dist", "index.js")}, args...)
}

// TestNodePackages: what a developer is told to install is what CI installs.
func TestNodePackages(t *testing.T) {
	t.Parallel()
	ci, err := os.ReadFile("../../.ci/run")
	require.NoError(t, err)
	for _, name := range nodePackages {
		require.Regexp(t, `["\s]`+regexp.QuoteMeta(name)+`["\s]`, string(ci))
	}
}

// A serverTally counts tools that were called and whose results were right.
type serverTally struct {
	mu    sync.Mutex
	lines []string
}

func (y *serverTally) print() {
	slices.Sort(y.lines)
	fmt.Printf("mcp servers: %s\n", strings.Join(y.lines, ", "))
}

// add runs the calls in one run, each in a turn of its own, and checks that there
// is one for every tool of the server, and that those of the waiting ones, and no
// others, waited for approval.
func (y *serverTally) add(t *testing.T, server mcp.Server, calls []realCall, waiting []string) {
	t.Helper()
	client, err := mcp.Open(server)
	require.NoError(t, err)
	defer func() { require.NoError(t, client.Close()) }()
	status := client.Status(t.Context())
	require.Len(t, status, 1)
	require.NoError(t, status[0].Err)
	require.Empty(t, status[0].LeftOut)
	listed, called := map[string]bool{}, map[string]bool{}
	for _, d := range status[0].Definitions {
		require.Equal(t, server.Name+"__"+d.Name, d.Tool)
		listed[d.Name] = true
	}
	for _, c := range calls {
		called[c.tool] = true
	}
	require.Equal(t, listed, called)

	results, asked, progress := play(t, server.Name, client, calls)
	require.Equal(t, waiting, asked)
	for i, c := range calls {
		if !t.Run(c.tool, func(t *testing.T) { c.want(t, results[i]) }) {
			called[c.tool] = false
		}
	}
	if called["trigger-long-running-operation"] {
		requireProgress(t, progress)
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	_, name, _ := strings.Cut(t.Name(), "/")
	right := slices.DeleteFunc(slices.Collect(maps.Keys(called)), func(name string) bool { return !called[name] })
	y.lines = append(y.lines, fmt.Sprintf("%s %d of %d tools", strings.ReplaceAll(name, "_", " "), len(right), len(listed)))
}

// requireProgress: of reports that nobody has seen yet only the last is shown, so
// each of those of a tool may be missing on a slow machine, but not all.
func requireProgress(t *testing.T, progress []event.ToolProgress) {
	t.Helper()
	told := map[string]bool{}
	before := 0.0
	for _, p := range progress {
		told[p.Name] = true
		if p.Name == "everything__simulate-research-query" { // the states of a task
			require.Regexp(t, `^(Gathering sources|Analyzing content|Synthesizing findings|Generating report)\.\.\.$|`+
				`^Found multiple interpretations for "python"|^Continuing with interpretation: "snake"`, p.Message)
			continue
		}
		require.Equal(t, 3.0, p.Total)
		require.Contains(t, []float64{1, 2, 3}, p.Done)
		require.Greater(t, p.Done, before)
		before = p.Done
	}
	require.Equal(t, map[string]bool{"everything__trigger-long-running-operation": true, "everything__simulate-research-query": true}, told)
}

// play makes the calls by a scripted model; whoever has to approve them does.
func play(t *testing.T, server string, client *mcp.Client, calls []realCall) (results []event.ToolCallFinished, asked []string, progress []event.ToolProgress) {
	t.Helper()
	var steps []llmtest.Step
	for _, c := range calls {
		steps = append(steps, llmtest.Calls(server+"__"+c.tool, c.args))
	}
	r := runner.Runner{
		MaxTurns: len(steps) + 1,
		Model:    llmtest.Script(t, append(steps, llmtest.Text("Done."))...),
		Decide: func(_ context.Context, p runner.Pending) (runner.Input, error) {
			return p.Approve(), nil
		},
	}
	a := &agent.Agent{Name: "tester", Toolsets: client.Toolsets()}
	for e, err := range r.Stream(t.Context(), a, llm.User("Go.")) {
		require.NoError(t, err)
		switch b := e.Body.(type) {
		case event.ToolCallFinished:
			results = append(results, b)
		case event.ApprovalAsked:
			asked = append(asked, strings.TrimPrefix(b.Name, server+"__"))
		case event.ToolProgress:
			progress = append(progress, b)
		}
	}
	require.Len(t, results, len(calls))
	slices.Sort(asked)
	return results, slices.Compact(asked), progress
}

// overHTTP starts a server that speaks HTTP and returns its URL. It would listen
// on all interfaces at a port that must be known before; so Node is told to make
// that a free one of the loopback interface.
func overHTTP(t *testing.T, command []string) string {
	t.Helper()
	const preload = `data:text/javascript,import net from "node:net"; const listen = net.Server.prototype.listen;` +
		` net.Server.prototype.listen = function (port, ...rest) { this.once("listening", () => console.error("port", this.address().port));` +
		` return listen.call(this, 0, "127.0.0.1", ...rest) };`
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), command[0], append([]string{"--import", preload}, command[1:]...)...)
	tied.Tie(cmd)
	cmd.Env = append(os.Environ(), "GREETING=Hei")
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	port := make(chan string, 1)
	drained := make(chan struct{})
	go func() { // until the process ends
		defer close(drained)
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			if n, ok := strings.CutPrefix(lines.Text(), "port "); ok {
				port <- n
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-drained
		_ = cmd.Wait() // it was killed
	})
	select {
	case n := <-port:
		return "http://127.0.0.1:" + n + "/mcp"
	case <-drained:
		require.NoError(t, errors.New("the server ended before it listened"))
	case <-t.Context().Done():
	}
	return ""
}

// A realCall is a call with the result that it must have.
type realCall struct {
	tool string
	args string
	want func(*testing.T, event.ToolCallFinished)
}

func is(parts ...llm.Part) func(*testing.T, event.ToolCallFinished) {
	return func(t *testing.T, got event.ToolCallFinished) {
		t.Helper()
		require.False(t, got.Result.IsError, got.Result.Text())
		require.Equal(t, llm.Parts(parts), got.Result.Parts)
	}
}

// says is for results of texts alone.
func says(texts ...string) func(*testing.T, event.ToolCallFinished) {
	var parts llm.Parts
	for _, text := range texts {
		parts = append(parts, llm.Text{Text: text})
	}
	return is(parts...)
}

// has is for results that hold a time, a path or a form that is ours to choose.
func has(texts ...string) func(*testing.T, event.ToolCallFinished) {
	return func(t *testing.T, got event.ToolCallFinished) {
		t.Helper()
		require.False(t, got.Result.IsError, got.Result.Text())
		for _, text := range texts {
			require.Contains(t, got.Result.Text(), text)
		}
	}
}

func fails(text string) func(*testing.T, event.ToolCallFinished) {
	return func(t *testing.T, got event.ToolCallFinished) {
		t.Helper()
		require.True(t, got.Result.IsError, got.Result.Text())
		require.Contains(t, got.Result.Text(), text)
	}
}

// saysJSON is for one text that is JSON, however it is written.
func saysJSON(want string) func(*testing.T, event.ToolCallFinished) {
	return func(t *testing.T, got event.ToolCallFinished) {
		t.Helper()
		require.False(t, got.Result.IsError, got.Result.Text())
		require.Len(t, got.Result.Parts, 1)
		require.JSONEq(t, want, got.Result.Text())
	}
}

// everythingWaits are its tools that it does not call read-only.
var everythingWaits = []string{
	"gzip-file-as-resource", "simulate-research-query", "toggle-simulated-logging", "toggle-subscriber-updates",
	"trigger-elicitation-request", "trigger-sampling-request", "trigger-url-elicitation",
}

// everything is the server with the functions that make all of its tools appear.
func everything() mcp.Server {
	return mcp.Server{
		Name: "everything",
		//lint:ignore SA1019 servers of the older versions of the protocol ask
		Sample: func(_ context.Context, req *sdk.CreateMessageRequest) (*sdk.CreateMessageResult, error) {
			asked, _ := json.Marshal(req.Params.Messages)
			//lint:ignore SA1019 servers of the older versions of the protocol ask
			return &sdk.CreateMessageResult{Role: "assistant", Model: "m", Content: &sdk.TextContent{Text: fmt.Sprintf("sampled %d bytes", len(asked))}}, nil
		},
		Elicit: func(_ context.Context, req *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
			if strings.Contains(req.Params.Message, "multiple interpretations") {
				return &sdk.ElicitResult{Action: "accept", Content: map[string]any{"interpretation": "snake"}}, nil
			}
			return &sdk.ElicitResult{Action: "accept", Content: map[string]any{"name": "Ann"}}, nil
		},
	}
}

func everythingCalls(dir string) []realCall {
	logo := tinyImage(dir)
	return []realCall{
		{"echo", `{"message":"æ \"b\"\n"}`, says("Echo: æ \"b\"\n")},
		{"get-sum", `{"a":2,"b":0.5}`, says("The sum of 2 and 0.5 is 2.5.")},
		{"get-annotated-message", `{"messageType":"error","includeImage":true}`, is(llm.Text{Text: "Error: Operation failed"}, logo)},
		{"get-tiny-image", `{}`, is(llm.Text{Text: "Here's the image you requested:"}, logo, llm.Text{Text: "The image above is the MCP logo."})},
		{"get-resource-links", `{"count":2}`, says("Here are 2 resource links to resources available in this server:",
			"\n[resource: demo://resource/dynamic/blob/1, text/plain, Blob Resource 1, Resource 1: plaintext resource]",
			"\n[resource: demo://resource/dynamic/text/2, text/plain, Text Resource 2, Resource 2: plaintext resource]")},
		{"get-resource-reference", `{"resourceType":"Text","resourceId":1}`, has("[resource: demo://resource/dynamic/text/1]\nResource 1: This is a plaintext resource created at")},
		{"get-resource-reference", `{"resourceType":"Blob","resourceId":2}`, has("[resource: demo://resource/dynamic/blob/2]\nResource 2: This is a base64 blob created at")},
		{"get-structured-content", `{"location":"Chicago"}`, saysJSON(`{"temperature":36,"conditions":"Light rain / drizzle","humidity":82}`)},
		{"gzip-file-as-resource", `{"name":"a.gz","data":"data:text/plain,hello","outputType":"resource"}`, isGzip},
		{"gzip-file-as-resource", `{"name":"a.gz","data":"data:text/plain,hello","outputType":"resourceLink"}`, says("[resource: demo://resource/session/a.gz, application/gzip, a.gz]")},
		{"toggle-simulated-logging", `{}`, has("Started simulated, random-leveled logging")},
		{"toggle-simulated-logging", `{}`, has("Stopped simulated logging")},
		{"toggle-subscriber-updates", `{}`, has("Started simulated resource updated notifications")},
		{"toggle-subscriber-updates", `{}`, has("Stopped simulated resource updates")},
		{"simulate-research-query", `{"topic":"tea"}`, has("# Research Report: tea\n", "- Stage 4: Generating report")},
		{"simulate-research-query", `{"topic":"python","ambiguous":true}`, has("# Research Report: python (snake)\n", `("snake")`)},
		{"trigger-long-running-operation", `{"duration":0.6,"steps":3}`, says("Long running operation completed. Duration: 0.6 seconds, Steps: 3.")},
		{"trigger-sampling-request", `{"prompt":"p"}`, has("LLM sampling result", `"text": "sampled `)},
		{"trigger-elicitation-request", `{}`, has("User provided the requested information", "- Name: Ann")},
		{"trigger-url-elicitation", `{"url":"https://example.com/x"}`, has("User completed the URL elicitation flow", "https://example.com/x")},
	}
}

// tinyImage is the picture that the server everything sends, from its source.
func tinyImage(dir string) llm.Image {
	source, _ := os.ReadFile(filepath.Join(dir, "node_modules/@modelcontextprotocol/server-everything/dist/tools/get-tiny-image.js"))
	_, text, _ := strings.Cut(string(source), `MCP_TINY_IMAGE = "`)
	text, _, _ = strings.Cut(text, `"`)
	data, _ := base64.StdEncoding.DecodeString(text)
	return llm.Image{Data: data, MediaType: "image/png"}
}

// isGzip unpacks what was compressed.
func isGzip(t *testing.T, got event.ToolCallFinished) {
	require.False(t, got.Result.IsError, got.Result.Text())
	require.Len(t, got.Result.Parts, 2)
	require.Equal(t, llm.Text{Text: "[resource: demo://resource/session/a.gz]"}, got.Result.Parts[0])
	file, ok := got.Result.Parts[1].(llm.File)
	require.True(t, ok, "%T", got.Result.Parts[1])
	packed, err := gzip.NewReader(bytes.NewReader(file.Data))
	require.NoError(t, err)
	text, err := io.ReadAll(packed)
	require.NoError(t, err)
	require.Equal(t, "hello", string(text))
	file.Data = nil
	require.Equal(t, llm.File{Name: "a.gz", MediaType: "application/gzip"}, file)
}

// filesystemCalls are calls that build on each other, in a directory with three
// files.
func filesystemCalls(t *testing.T, root string) []realCall {
	t.Helper()
	at := func(name string) string { return filepath.Join(root, name) }
	png, _ := base64.StdEncoding.DecodeString("iVBORw0KGgo=")
	require.NoError(t, os.WriteFile(at("a.png"), png, 0o600))
	require.NoError(t, os.WriteFile(at("a.wav"), []byte("RIFF"), 0o600))
	require.NoError(t, os.WriteFile(at("a.bin"), []byte("\x00\x01"), 0o600))
	args := func(format string, names ...any) string {
		for i, n := range names {
			quoted, _ := json.Marshal(at(n.(string)))
			names[i] = string(quoted)
		}
		return fmt.Sprintf(format, names...)
	}
	written := func(name, content string, also func(*testing.T, event.ToolCallFinished)) func(*testing.T, event.ToolCallFinished) {
		return func(t *testing.T, got event.ToolCallFinished) {
			also(t, got)
			data, err := os.ReadFile(at(name)) // the calls are made before the results are compared
			require.NoError(t, err)
			require.Equal(t, content, string(data))
		}
	}
	return []realCall{
		{"list_allowed_directories", `{}`, says("Allowed directories:\n" + root)},
		{"create_directory", args(`{"path":%s}`, "sub"), says("Successfully created directory " + at("sub"))},
		{"write_file", args(`{"path":%s,"content":"one\ntwo\n"}`, "sub/n.txt"), says("Successfully wrote to " + at("sub/n.txt"))},
		{"write_file", args(`{"path":%s,"content":"æ\u2028😀"}`, "sub/o.txt"), written("sub/o.txt", "æ\u2028😀", says("Successfully wrote to "+at("sub/o.txt")))},
		{"read_file", args(`{"path":%s}`, "sub/n.txt"), says("one\ntwo\n")},
		{"read_text_file", args(`{"path":%s,"head":1}`, "sub/n.txt"), says("one")},
		{"read_text_file", `{"path":"/etc/hostname"}`, fails("Access denied")},
		{"edit_file", args(`{"path":%s,"edits":[{"oldText":"two","newText":"three"}]}`, "sub/n.txt"), has("-two\n+three\n")},
		{"read_multiple_files", args(`{"paths":[%s,%s]}`, "sub/n.txt", "none"), has(at("sub/n.txt")+":\none\nthree\n", "ENOENT")},
		{"read_media_file", args(`{"path":%s}`, "a.png"), is(llm.Image{Data: png, MediaType: "image/png"})},
		{"read_media_file", args(`{"path":%s}`, "a.wav"), is(llm.Audio{Data: []byte("RIFF"), Format: "wav"})},
		{"read_media_file", args(`{"path":%s}`, "a.bin"), is(llm.Text{Text: "[resource: file://" + at("a.bin") + "]"},
			llm.File{Name: "a.bin", Data: []byte("\x00\x01"), MediaType: "application/octet-stream"})},
		{"list_directory", args(`{"path":%s}`, ""), says("[FILE] a.bin\n[FILE] a.png\n[FILE] a.wav\n[DIR] sub")},
		{"list_directory_with_sizes", args(`{"path":%s,"sortBy":"size"}`, ""), has("[FILE] a.png", "8 B", "Total: 3 files, 1 directories", "Combined size: 14 B")},
		{"directory_tree", args(`{"path":%s}`, "sub"), saysJSON(`[{"name":"n.txt","type":"file"},{"name":"o.txt","type":"file"}]`)},
		{"move_file", args(`{"source":%s,"destination":%s}`, "sub/n.txt", "m.txt"), written("m.txt", "one\nthree\n", says("Successfully moved "+at("sub/n.txt")+" to "+at("m.txt")))},
		{"search_files", args(`{"path":%s,"pattern":"**/*.txt"}`, ""), says(at("m.txt") + "\n" + at("sub/o.txt"))},
		{"get_file_info", args(`{"path":%s}`, "m.txt"), has("size: 10\n", "isFile: true")},
	}
}

const (
	graphAnn  = `{"name":"Ann","entityType":"person","observations":["likes tea","is from Oslo"]}`
	graphShip = `{"name":"Fram","entityType":"ship","observations":[]}`
	graphSail = `{"from":"Ann","to":"Fram","relationType":"sails"}`
	graph     = `{"entities":[` + graphAnn + `,` + graphShip + `],"relations":[` + graphSail + `]}`
)

var memoryCalls = []realCall{
	{"create_entities", `{"entities":[{"name":"Ann","entityType":"person","observations":["likes tea"]},` + graphShip + `]}`, saysJSON(`[{"name":"Ann","entityType":"person","observations":["likes tea"]},` + graphShip + `]`)},
	{"create_relations", `{"relations":[` + graphSail + `]}`, saysJSON(`[` + graphSail + `]`)},
	{"add_observations", `{"observations":[{"entityName":"Ann","contents":["is from Oslo"]}]}`, saysJSON(`[{"entityName":"Ann","addedObservations":["is from Oslo"]}]`)},
	{"add_observations", `{"observations":[{"entityName":"Bob","contents":[]}]}`, fails("Entity with name Bob not found")},
	{"read_graph", `{}`, saysJSON(graph)},
	{"search_nodes", `{"query":"tea"}`, saysJSON(`{"entities":[` + graphAnn + `],"relations":[` + graphSail + `]}`)},
	{"open_nodes", `{"names":["Ann","Fram"]}`, saysJSON(graph)},
	{"delete_observations", `{"deletions":[{"entityName":"Ann","observations":["likes tea"]}]}`, has("Observations deleted successfully")},
	{"delete_relations", `{"relations":[` + graphSail + `]}`, has("Relations deleted successfully")},
	{"delete_entities", `{"entityNames":["Fram"]}`, has("Entities deleted successfully")},
}
