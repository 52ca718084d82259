// Provider runs the embedded demo provider by itself, for programs of your own:
// set the OPENAI_BASE_URL that it prints. It understands nothing, and calls
// whatever tools your program offers.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/seed-916e8f6a/toolloop/examples/internal/demo"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "provider:", err)
		os.Exit(1)
	}
}

func run() error {
	server, err := demo.Serve()
	if err != nil {
		return err
	}
	defer server.Close()
	fmt.Println("export OPENAI_BASE_URL=" + server.BaseURL)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	<-ctx.Done()
	return nil
}
