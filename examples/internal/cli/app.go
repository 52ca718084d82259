// Package cli is shared by the example programs: the flags, the choice of a
// provider, and the output of a run in a terminal.
package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/examples/internal/demo"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// An App is the configuration of a program: the flags and the provider.
type App struct {
	Model    string        // the name of the model
	Provider openai.Config // the provider
	Embedded bool          // Provider is the embedded provider
	Own      bool          // the program has an embedded provider of its own; set it before Main
	NoStream bool
	JSON     bool
	Offline  bool // the program needs no provider
	Args     []string
	*Out     // embedded: a program prints with its App
}

// Main runs a program with a flag -stream, which is true by default. See [App.Main].
func Main(usage string, run func(*App) error) {
	app, stream := New(), true
	flag.BoolVar(&stream, "stream", true, "stream the answers")
	app.Main(usage, func(app *App) error {
		app.NoStream = !stream
		return run(app)
	})
}

// New defines the flags of a program that runs an agent.
func New() *App {
	app := Bare()
	flag.BoolVar(&app.JSON, "json", false, "print the events as JSON, one a line")
	return app
}

// Bare defines the flags that select the model.
func Bare() *App {
	app := &App{Out: newOut(os.Stdout, os.Stderr)}
	flag.StringVar(&app.Model, "model", "", "name of the model (default $OPENAI_MODEL or "+demo.Model+")")
	flag.StringVar(&app.Provider.BaseURL, "base-url", "", "where the API is (default $OPENAI_BASE_URL)")
	return app
}

// Main runs a program and exits. The status is 1 after an error of run, which Main
// prints in one line on stderr, 130 after an interrupt, and 2 after wrong flags. For
// usage see [Parse].
func (app *App) Main(usage string, run func(*App) error) {
	app.Args = Parse(usage)
	os.Exit(app.exit(app.run(run)))
}

// Parse parses the command line and returns the arguments after the flags. After a
// wrong command line, or with -h, Parse prints the usage and exits. If usage ends in
// " [flags]", as in "chat [flags]", the program accepts no arguments.
func Parse(usage string) []string {
	flag.Usage = func() {
		_, _ = fmt.Fprintln(flag.CommandLine.Output(), "usage:", usage)
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 && strings.HasSuffix(usage, " [flags]") {
		_, _ = fmt.Fprintf(flag.CommandLine.Output(), "unexpected argument: %s\n", OneLine(flag.Arg(0)))
		flag.Usage()
		os.Exit(2)
	}
	return flag.Args()
}

func (app *App) run(do func(*App) error) error {
	close, err := app.connect()
	if err != nil {
		return err
	}
	defer close()
	return do(app)
}

// connect selects the provider of the flags and the environment. Without both,
// connect starts an embedded provider, and the program reaches the provider over
// HTTP like a real provider.
func (app *App) connect() (close func(), err error) {
	if app.Offline {
		return func() {}, nil
	}
	app.Provider.HTTPClient = impatient()
	app.Provider.Retry = wrap.Retry{Attempts: 3}
	if cmp.Or(app.Provider.BaseURL, os.Getenv("OPENAI_BASE_URL"), os.Getenv("OPENAI_API_KEY")) != "" {
		app.Model = cmp.Or(app.Model, os.Getenv("OPENAI_MODEL"), demo.Model)
		return func() {}, nil
	}
	if app.Own {
		app.Embedded = true
		return func() {}, nil
	}
	server, err := demo.Serve("127.0.0.1:0", nil)
	if err != nil {
		return nil, fmt.Errorf("embedded provider: %w", err)
	}
	app.Provider.BaseURL, app.Embedded = server.BaseURL, true
	app.Model = cmp.Or(app.Model, demo.Model) // ignores OPENAI_MODEL, which belongs to another provider
	_, _ = fmt.Fprintln(os.Stderr, "OPENAI_API_KEY is not set: an embedded demo without a model answers.")
	return server.Close, nil
}

// impatient returns a client with a short timeout for connections, because a person
// waits for the program.
func impatient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: 2500 * time.Millisecond}).DialContext
	return &http.Client{Transport: t}
}

// Question returns the question on the command line, and standard without arguments.
// An empty question is an error: the cause is usually an unset variable.
func (app *App) Question(standard string) (string, error) {
	question := strings.Join(app.Args, " ")
	switch {
	case len(app.Args) == 0:
		return standard, nil
	case strings.TrimSpace(question) == "":
		return "", &UsageError{errors.New("the question is empty")}
	}
	return question, nil
}

// UsageError reports a wrong command line.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// exit prints err and returns the exit status.
func (app *App) exit(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		app.Report(errors.New("interrupted"))
		return 130
	}
	if _, wrong := errors.AsType[*UsageError](err); wrong {
		app.Report(err)
		return 2
	}
	app.Report(err)
	return 1
}

// Report prints err in one line on stderr, and with -json also on stdout.
func (app *App) Report(err error) {
	text := OneLine(err.Error())
	app.EndLine()
	if app.JSON {
		app.PrintJSON(failure{"error", text})
	}
	_, _ = fmt.Fprintf(os.Stderr, "%s: %s\n", Name(), text)
}

// Name returns the name of the program.
func Name() string { return strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe") }

// A failure is the last line of -json after an error.
type failure struct {
	Type  string `json:"type"`
	Error string `json:"error"`
}

// PrintJSON prints v on a line of its own.
func (app *App) PrintJSON(v any) {
	enc := json.NewEncoder(app.Out.out.w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
}
