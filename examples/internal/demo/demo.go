// Package demo is an embedded provider for programs without a key. It serves Chat
// Completions on a loopback port and has no model:
//
//   - It calls a tool if the question shares a word with the tool's name or
//     description. If there is a single tool, the provider also calls the tool if
//     the question has the arguments.
//   - It takes the arguments from earlier results with a member of the same name,
//     and otherwise from the question. A number fits a number, and a value of an
//     enum fits the enum. Times, addresses and the like fit strings of that format.
//     Other strings get an example of the description ("Article, e.g. lamp") that
//     the question has, the text behind "from", "to", "about" or a colon if the
//     name of the property suggests it, a name (a word with a capital or a digit,
//     or in quotes), or else a noun that does not describe the tool.
//   - Missing values are invented and fit the schema, or come from an example.
//   - When there is no tool left to call, it repeats the results of the tools.
//
// So a program runs offline, with any tools, and each time in the same way.
package demo

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// Model is the first of [Models].
const Model = "gpt-4o-mini"

// Models returns the names of the models that programs commonly ask for. All names
// are the same model. The slice is the caller's.
func Models() []string {
	return []string{
		Model, "gpt-4o", "gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano",
		"gpt-5", "gpt-5-mini", "gpt-5-nano", "o3", "o3-mini", "o4-mini", "demo",
	}
}

// delay is the time between the chunks of an answer, so that people can watch.
const delay = 12 * time.Millisecond

// A Server is a running provider.
type Server struct {
	BaseURL string // "http://127.0.0.1:<port>/v1"

	http  *http.Server
	loops sync.WaitGroup
}

// Serve starts the provider on an address, such as "127.0.0.1:0". A non-nil log is
// called after each request, from several goroutines. The caller closes the server.
func Serve(address string, log func(Request)) (*Server, error) {
	script := llmtest.NewScript(llmtest.Reply(reply).Forever())
	script.Delay = delay
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	s := &Server{BaseURL: "http://" + reachable(l.Addr()) + "/v1"}
	s.http = &http.Server{
		Handler:           logged(&llmtest.Server{Model: script, Models: Models()}, log),
		ReadHeaderTimeout: 10 * time.Second,
	}
	s.loops.Go(func() { _ = s.http.Serve(l) }) // ends with ErrServerClosed
	return s, nil
}

// reachable returns an address for clients on this machine.
func reachable(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", tcp.Port)
	}
	return addr.String()
}

// Close stops the server. Open requests have a second to end.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close() // an error of the listener does not matter any more
	}
	s.loops.Wait()
}

func reply(_ context.Context, req *llm.Request) (*llm.Response, error) {
	t := listen(req.Messages)
	resp := &llm.Response{Message: llm.Assistant("", t.next(req)...)}
	if len(resp.Message.Parts) == 0 {
		resp.Message = llm.Assistant(t.answer(req))
	}
	resp.Usage = usage(req, resp)
	return resp, nil
}

// usage counts a token for four bytes.
func usage(req *llm.Request, resp *llm.Response) llm.Usage {
	var in int
	for _, m := range req.Messages {
		in += size(m)
	}
	for _, t := range req.Tools {
		in += len(t.Name) + len(t.Description) + len(t.Schema)
	}
	u := llm.Usage{InputTokens: int64(in/4 + 1), OutputTokens: int64(size(resp.Message)/4 + 1)}
	u.TotalTokens = u.InputTokens + u.OutputTokens
	return u
}

func size(m llm.Message) int {
	n := len(m.Text())
	for _, p := range m.Parts {
		switch p := p.(type) {
		case llm.ToolCall:
			n += len(p.Name) + len(p.Arguments)
		case llm.ToolResult:
			n += len(p.Text())
		}
	}
	return n
}
