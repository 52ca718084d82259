// Web is an order desk in the browser: a page with a chat, in one program. Answers stream,
// large refunds wait for your approval, and a conversation outlives its page and the program:
// reload the page or restart the program in the middle of an answer.
//
// The tools and the agent are in assistant.go, which you can copy. The page is plain HTML and
// JavaScript (directory page) and ships in the program.
package main

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/serve"
)

//go:embed page
var page embed.FS

func main() {
	app := cli.Bare()
	address := flag.String("addr", "127.0.0.1:8080", "`host:port` to listen on; port 0 selects a free port")
	dir := flag.String("dir", "", "directory of the sessions and receipts (default in the user's cache)")
	app.Main("web [flags]", func(app *cli.App) error { return run(app, *address, *dir) })
}

func run(app *cli.App, address, dir string) error {
	stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("%w; say -dir", err)
		}
		dir = filepath.Join(cache, "toolloop-web")
	}
	chat, err := serve.Config{
		// What was streamed before a stop or a crash stays on the page.
		Runner:  runner.Runner{Journal: journal.Dir{Path: filepath.Join(dir, "sessions")}, KeepPartial: 500 * time.Millisecond},
		Agent:   assistant(app.Provider.Model(app.Model), shop{filepath.Join(dir, "receipts")}),
		Session: sessionOf,
		Queue:   3,
		Logger:  slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}.Chat()
	if err != nil {
		return err
	}
	return listen(stop, address, chat)
}

// listen serves the page until stop ends, and lets the runs come to the end of their turns.
func listen(stop context.Context, address string, chat *serve.Chat) error {
	files, err := fs.Sub(page, "page")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", guarded(http.FileServerFS(files)))
	mux.Handle("/api/chat", chat.UIStream())
	mux.Handle("/api/chat/", chat.UIStream())
	l, err := new(net.ListenConfig).Listen(stop, "tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: known(mux), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }() // ends with the server
	fmt.Printf("Open http://%s in a browser. ^C ends the program.\n", l.Addr())
	select {
	case err := <-ended:
		return err
	case <-stop.Done():
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(stop), 10*time.Second)
	defer cancel()
	return errors.Join(chat.Shutdown(within), server.Shutdown(within))
}

// known gives each browser a name, which takes the place of a login here.
func known(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie("visitor"); err != nil && r.URL.Path == "/" {
			http.SetCookie(w, &http.Cookie{Name: "visitor", Value: rand.Text(), Path: "/", MaxAge: 90 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		}
		h.ServeHTTP(w, r)
	})
}

// sessionOf lets visitors reach their own conversations only.
func sessionOf(r *http.Request, id string) (string, error) {
	visitor, err := r.Cookie("visitor")
	if err != nil {
		return "", err
	}
	return visitor.Value + "/" + id, nil
}

// guarded adds what keeps a page from running other scripts than its own.
func guarded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		h.ServeHTTP(w, r)
	})
}
