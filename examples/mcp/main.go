// Mcp is an agent with the tools of MCP servers. It starts servers or connects to
// servers over HTTP, and asks at the terminal before a tool changes anything.
// Without flags for servers the program starts itself as a server.
//
// The tools of that server are in notebook.go. This file has the agent, the flags
// and the output of the examples.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

const (
	usage    = "mcp [flags] [question]\n       mcp serve [-http host:port]"
	question = "Find the entries about Lisbon, proofread all, and delete those about Lisbon."
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		os.Args = slices.Delete(os.Args, 1, 2)
		if err := serve(); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %s\n", cli.Name(), cli.OneLine(err.Error()))
			os.Exit(1)
		}
		return
	}
	p := &program{App: cli.New()}
	p.servers.define()
	flag.BoolVar(&p.Offline, "list", false, "print the tools of the servers and exit")
	flag.BoolVar(&p.yes, "yes", false, "approve all calls")
	flag.BoolVar(&p.verbose, "verbose", false, "print the standard error of the servers, and warnings about them")
	flag.BoolVar(&p.stream, "stream", true, "stream the answers")
	p.Main(usage, func(*cli.App) error { return p.run() })
}

// A program is a start of the program.
type program struct {
	*cli.App             // embedded: the flags and the output of the program
	servers              servers
	yes, verbose, stream bool
}

func (p *program) run() (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if p.Offline && len(p.Args) > 0 {
		return &cli.UsageError{Err: errors.New("-list takes no question")}
	}
	asked, err := p.Question(question)
	if err != nil {
		return err
	}
	client, err := p.servers.open(p.log())
	if err != nil {
		return err
	}
	defer func() {
		defer tellAfter(time.Second, "Ending the servers.").Stop()
		err = errors.Join(err, client.Close())
	}()
	slow := tellAfter(5*time.Second, "A server is slow to start; -verbose prints the output of the servers.")
	defer slow.Stop()
	if p.Offline {
		all := client.Status(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return list(p.App, all)
	}
	a := &agent.Agent{
		Name:         "assistant",
		Instructions: "You answer with the help of your tools. Be brief.",
		Model:        p.Provider.Model(p.Model),
		Toolsets:     client.Toolsets(),
	}
	r := runner.Runner{NoStream: !p.stream, Decide: newApprover(p.App, p.yes).decide}
	for e, err := range r.Stream(ctx, a, llm.User(asked)) {
		if err != nil {
			return err
		}
		if _, ok := e.Body.(event.TurnPrepared); ok {
			slow.Stop()
		}
		p.PrintEvent(e)
	}
	return nil
}

// tellAfter prints the reason of a long wait if stderr is a terminal.
func tellAfter(d time.Duration, text string) *time.Timer {
	return time.AfterFunc(d, func() {
		if cli.IsTerminal(os.Stderr) {
			fmt.Fprintln(os.Stderr, text)
		}
	})
}

func (p *program) log() *slog.Logger {
	if !p.verbose {
		return nil
	}
	return slog.New(slog.NewTextHandler(os.Stderr, nil))
}
