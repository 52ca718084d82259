// Package cli is what the example programs have in common: flags, the choice of
// a provider, and how a run looks in a terminal.
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

// App is what a program was started with.
type App struct {
	Model    string        // the name of the model
	Provider openai.Config // where it is
	Embedded bool          // it is the embedded one
	Own      bool          // to be set before Main: the program brings an embedded one of its own
	NoStream bool
	JSON     bool
	Offline  bool // no model is asked: none is looked for
	Args     []string
	*Out
}

// Main runs a program whose answers stream unless -stream=false. See [App.Main].
func Main(usage string, run func(*App) error) {
	app, stream := New(), true
	flag.BoolVar(&stream, "stream", true, "stream the answers")
	app.Main(usage, func(app *App) error {
		app.NoStream = !stream
		return run(app)
	})
}

// New defines the flags that programs with one run have.
func New() *App {
	app := Bare()
	flag.BoolVar(&app.JSON, "json", false, "print the events as JSON, one a line")
	return app
}

// Bare defines the flags that say which model is asked.
func Bare() *App {
	app := &App{Out: newOut(os.Stdout, os.Stderr)}
	flag.StringVar(&app.Model, "model", "", "name of the model (default $OPENAI_MODEL or "+demo.Model+")")
	flag.StringVar(&app.Provider.BaseURL, "base-url", "", "where the API is (default $OPENAI_BASE_URL)")
	return app
}

// Main runs a program and exits: with status 1 and one line on stderr if run
// fails, with 130 if it was interrupted, with 2 if the flags are wrong. The usage
// is that of [Parse].
func (app *App) Main(usage string, run func(*App) error) {
	app.Args = Parse(usage)
	os.Exit(app.exit(app.run(run)))
}

// Parse reads the command line and returns what stands behind the flags. If it
// is wrong, or asks for help, Parse prints the usage and exits. The usage, such
// as "chat [flags]", has more than flags if the program takes more than that.
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

// connect chooses the provider: that of the flags and the environment, or else
// an embedded one, which is reached over HTTP like any other.
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
	app.Model = cmp.Or(app.Model, demo.Model) // OPENAI_MODEL belongs to another provider
	_, _ = fmt.Fprintln(os.Stderr, "OPENAI_API_KEY is not set: an embedded demo answers, which understands nothing.")
	return server.Close, nil
}

// impatient returns a client that does not wait for an unreachable host as long
// as a server program should: somebody sits in front of it.
func impatient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: 2500 * time.Millisecond}).DialContext
	return &http.Client{Transport: t}
}

// Question is what the command line asks; standard, where it asks nothing. An empty
// one is none: it comes of a variable that is not set.
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

// UsageError says that the command line is wrong.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// exit returns the status of a program that ended with err, and tells of it.
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

// Report tells of err in one line on stderr, and with -json also on stdout.
func (app *App) Report(err error) {
	text := OneLine(err.Error())
	app.EndLine()
	if app.JSON {
		app.PrintJSON(failure{"error", text})
	}
	_, _ = fmt.Fprintf(os.Stderr, "%s: %s\n", Name(), text)
}

// Name returns that of the program.
func Name() string { return strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe") }

// failure is the last line of -json if a program fails.
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
