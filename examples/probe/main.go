// Probe finds out which APIs and features an OpenAI-compatible provider supports. Real
// requests test Chat Completions and the Responses API, both also with a function tool,
// and then one feature after the other on the better API. Probe prints whether each
// feature works, and recommends a profile as Go code at the end.
//
// The checks of the APIs are in apis.go. The other checks are in checks.go, in their
// order. The search for a profile with which a check passes is in probe.go.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"os"
	"os/signal"
	"time"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

func main() {
	app, timeout := cli.New(), 2*time.Minute
	flag.Lookup("json").Usage = "print the findings as one JSON document"
	flag.Func("timeout", "limit of each check, as a `duration` (default 2m)", func(s string) (err error) {
		if timeout, err = time.ParseDuration(s); err == nil && timeout <= 0 {
			err = errors.New("the timeout must be above zero")
		}
		return err
	})
	app.Main("probe [flags]", func(app *cli.App) error { return run(app, timeout) })
}

func run(app *cli.App, timeout time.Duration) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // a second ^C ends the program at once

	app.Provider.BaseURL = cmp.Or(app.Provider.BaseURL, os.Getenv("OPENAI_BASE_URL"), openai.DefaultBaseURL)
	p := newProbe(app.Provider, app.Model, timeout)
	p.tell = app.Notice
	r := &report{App: app, probe: p}
	for f, err := range p.findings(ctx) {
		if err != nil {
			return err
		}
		r.add(f)
	}
	r.end()
	return nil
}
