package mcp_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain runs the tests, or what a test starts as a server: this program again.
func TestMain(m *testing.M) {
	if mode := os.Getenv(modeVariable); mode != "" {
		serveStdio(mode)
		os.Exit(0)
	}
	if name := os.Getenv(foeVariable); name != "" {
		serveFoe(name)
		os.Exit(0)
	}
	http.DefaultTransport = offline{}
	os.Exit(m.Run())
}

// offline is the network that tests have.
type offline struct{}

func (offline) RoundTrip(req *http.Request) (*http.Response, error) {
	return nil, errors.New("a test asked the network for " + req.URL.Host)
}

const modeVariable = "TOOLLOOP_MCP_TEST_SERVER"

// serveStdio is a server whose every line is written here. Modes are joined by
// commas.
func serveStdio(mode string) {
	has := func(m string) bool { return strings.Contains(","+mode+",", ","+m+",") }
	fmt.Fprintln(os.Stderr, "started with "+os.Getenv("SECRET"))
	if has("grandchild") { // holds our standard output and outlives us
		child := exec.CommandContext(context.Background(), "sleep", "600")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		_ = child.Start()
		fmt.Fprintln(os.Stderr, "child", child.Process.Pid)
	}
	if has("noise") {
		fmt.Print("\xEF\xBB\xBFServer v1\r\n\r\n\n{\"no\":\"rpc\"}\n[1,2]\n{broken\n\x1b[2J\n")
	}
	if has("fails") {
		fmt.Fprintln(os.Stderr, "no key\x1b[2J")
		os.Exit(3)
	}
	if has("stubborn") {
		signal.Ignore(syscall.SIGTERM)
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	for in.Scan() {
		var req struct {
			ID     json.RawMessage
			Method string
			Params json.RawMessage
		}
		_ = json.Unmarshal(in.Bytes(), &req)
		switch {
		case has("quits on list") && req.Method == "tools/list":
			os.Exit(4)
		case has("quits on discover") && req.Method == "server/discover":
			os.Exit(1)
		case req.ID == nil:
		default:
			fmt.Printf("{\"jsonrpc\":\"2.0\",\"id\":%s,%s}\r\n", req.ID, stdioAnswer(has, req.Method, req.Params))
		}
	}
	if has("stubborn") {
		<-time.After(time.Hour) // until it is killed
	}
}

func stdioAnswer(has func(string) bool, method string, params json.RawMessage) string {
	var p struct {
		Name string
		Meta struct{ ProgressToken string } `json:"_meta"`
	}
	_ = json.Unmarshal(params, &p)
	switch method {
	case "initialize":
		return `"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"t","version":"1"}}`
	case "tools/list":
		return `"result":{"tools":[{"name":"echo","inputSchema":{"type":"object"}},{"name":"env"},{"name":"crash"},{"name":"huge"},{"name":"steps"},{"name":"deaf"},{"name":"close"}]}`
	case "tools/call":
	default:
		return `"error":{"code":-32601,"message":"no such method"}`
	}
	text := string(params)
	switch p.Name {
	case "env":
		text = strings.Join(os.Environ(), "\n")
	case "crash":
		fmt.Fprintln(os.Stderr, "panic: out of cheese")
		os.Exit(2)
	case "huge":
		text = strings.Repeat("x", 2<<20)
	case "steps":
		for i := range 3 {
			fmt.Printf(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%q,"progress":%d,"total":3,"message":"step\u202e %d"}}`+"\n", p.Meta.ProgressToken, i+1, i+1)
		}
	case "deaf":
		select {} //nolint:staticcheck // it reads nothing more
	case "close":
		_ = os.Stdout.Close()
		<-time.After(time.Hour) // until it is killed
	}
	quoted, _ := json.Marshal(text)
	return `"result":{"content":[{"type":"text","text":` + string(quoted) + `}]}`
}
