// Provider runs the embedded demo provider as a program. The program prints the
// value of OPENAI_BASE_URL for your program. The provider has no model and calls
// the tools that your program offers. For each request the program prints a line on
// stderr.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/examples/internal/demo"
)

func main() {
	address := flag.String("addr", "127.0.0.1:0", "`host:port` to listen on; port 0 selects a free port")
	cli.Parse("provider [flags]")
	if err := run(*address); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", cli.Name(), err)
		os.Exit(1)
	}
}

func run(address string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	server, err := demo.Serve(address, logger())
	if err != nil {
		return err
	}
	defer server.Close()
	fmt.Println("export OPENAI_BASE_URL=" + server.BaseURL)
	fmt.Println("# models: " + strings.Join(demo.Models(), ", "))
	<-ctx.Done()
	return nil
}

// logger returns a function that prints a line about a request.
func logger() func(demo.Request) {
	plain := func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.TimeKey:
			return slog.String(a.Key, a.Value.Time().Format("15:04:05"))
		case slog.LevelKey:
			return slog.Attr{}
		}
		return a
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{ReplaceAttr: plain}))
	return func(r demo.Request) {
		log.Info("request", "method", r.Method, "path", r.Path, "model", r.Model, "status", r.Status, "messages", r.Messages)
	}
}
