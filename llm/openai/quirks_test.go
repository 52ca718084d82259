package openai_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

const quirksDir = "../../testdata/wire/quirks"

// TestQuirks runs the real client against what providers are known to send.
// With every mutation of a fixture, the same check has to fail.
func TestQuirks(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob(filepath.Join(quirksDir, "Q*.txt"))
	require.NoError(t, err)
	var tally tally
	t.Cleanup(func() { tally.print(t, paths) }) // when all have ended
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() { tally.add(name, !t.Failed()) }()
			f, err := readFixture(path)
			require.NoError(t, err)
			mutations, err := f.mutations()
			require.NoError(t, err)
			var wrong []error
			for _, mode := range f.modes() {
				wrong = append(wrong, f.try(t.Context(), mode, mutations))
			}
			require.NoError(t, errors.Join(wrong...))
		})
	}
}

// try runs the fixture, and if it passes then with each mutation that the mode
// sees.
func (f *fixture) try(ctx context.Context, mode string, mutations []mutation) error {
	err := f.check(ctx, mode)
	for _, m := range mutations {
		g, unknown := f.mutate(m)
		if unknown != nil {
			return errors.Join(err, unknown)
		}
		if err == nil && g.changed(mode) && g.check(ctx, mode) == nil {
			return f.place(mode, "mutate", fmt.Errorf("%s: the test does not notice", m))
		}
	}
	return err
}

// A tally counts quirks: one is handled if all of its files pass.
type tally struct {
	mu     sync.Mutex
	files  int
	failed map[string]bool // by the number of the quirk
}

func (y *tally) add(name string, ok bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.failed == nil {
		y.failed = map[string]bool{}
	}
	y.files++
	number, _, _ := strings.Cut(name, "-")
	y.failed[number] = y.failed[number] || !ok
}

// print says how many are handled, unless only some were run. Every entry has
// a fixture or a line in uncovered.txt with the reason.
func (y *tally) print(t *testing.T, paths []string) {
	data, err := os.ReadFile(filepath.Join(quirksDir, "uncovered.txt"))
	if err != nil {
		t.Error(err) // a require would end the goroutine that cleans up
	}
	var uncovered, failed, missing []string
	listed := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		if number, _, ok := strings.Cut(line, " "); ok && strings.HasPrefix(number, "Q") {
			if _, covered := y.failed[number]; covered {
				t.Errorf("%s is covered and listed in uncovered.txt", number)
			}
			listed[number] = true
			uncovered = append(uncovered, "not covered: "+strings.TrimSpace(line))
		}
	}
	if y.files < len(paths) {
		return
	}
	for number, test := range elsewhere(t) {
		if _, ok := y.failed[number]; !ok {
			y.failed[number] = false // the package fails if that test does
			uncovered = append(uncovered, fmt.Sprintf("by a test of its own: %s %s", number, test))
		}
	}
	for number, bad := range y.failed {
		if bad {
			failed = append(failed, number)
		}
	}
	for _, number := range catalogue() {
		if _, ok := y.failed[number]; !ok && !listed[number] {
			missing = append(missing, number)
		}
	}
	fmt.Printf("quirks: %d of %d handled\n", len(y.failed)-len(failed), len(y.failed)+len(listed))
	slices.Sort(uncovered)
	for _, line := range uncovered {
		fmt.Println(line)
	}
	slices.Sort(failed)
	if len(failed) > 0 {
		t.Errorf("not handled: %s", strings.Join(failed, " "))
	}
	if len(missing) > 0 {
		t.Errorf("neither a fixture nor a reason: %s", strings.Join(missing, " "))
	}
}

// elsewhere returns the tests that stand in for fixtures, by the number of the
// quirk. Each of them is there, under that name.
func elsewhere(t *testing.T) map[string]string {
	data, err := os.ReadFile(filepath.Join(quirksDir, "elsewhere.txt"))
	if err != nil {
		t.Error(err)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Error(err)
	}
	var code strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		}
		code.Write(text)
	}
	tests := map[string]string{}
	for line := range strings.Lines(string(data)) {
		number, test, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || !strings.HasPrefix(number, "Q") {
			continue
		}
		if !strings.Contains(code.String(), "\nfunc "+test+"(t *testing.T)") {
			t.Errorf("elsewhere.txt: there is no %s", test)
		}
		tests[number] = test
	}
	return tests
}

// catalogue lists the numbers of the quirks of the wire.
func catalogue() (numbers []string) {
	for _, part := range [][2]int{{1, 38}, {40, 76}, {80, 120}, {163, 172}, {190, 204}} {
		for n := part[0]; n <= part[1]; n++ {
			numbers = append(numbers, fmt.Sprintf("Q%03d", n))
		}
	}
	return numbers
}

// key must never show in an error.
const key = "sk-quirks-0123456789"

// check runs the fixture in one mode and compares: over net/http, and if the fixture has no
// host of its own with the default client, which speaks HTTP/1 by itself.
func (f *fixture) check(ctx context.Context, mode string) error {
	err := f.checkOver(ctx, mode, false)
	if err == nil && f.head["host"] == "" {
		err = f.checkOver(ctx, mode, true)
	}
	return err
}

func (f *fixture) checkOver(ctx context.Context, mode string, byDefault bool) error {
	req, err := f.request()
	if err != nil {
		return err
	}
	replies, err := f.replies(mode)
	if err != nil {
		return err
	}
	p := &fakeProvider{replies: replies}
	server := httptest.NewServer(p)
	defer server.Close()
	config, err := f.config(server)
	if err != nil {
		return err
	}
	if byDefault {
		config.HTTPClient = nil
	} else {
		defer config.HTTPClient.CloseIdleConnections()
	}
	req.Stream = mode == "stream"
	var notices int
	resp, err := config.Model(cmp.Or(f.head["model"], "m")).Generate(ctx, req, func(d llm.Delta) {
		if _, ok := d.(llm.Notice); ok {
			notices++
		}
	})
	return errors.Join(f.place(mode, "want", f.checkWant(mode, resp, err, notices)), f.checkSent(mode, p.seen()))
}

// place names the file and the section in err.
func (f *fixture) place(mode, section string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s, as %s: %s: %w", f.name, mode, section, err)
}

// config dials the server, whatever host the client talks to. Waits that a
// provider asks for are not waited: beyond a moment they are the error.
func (f *fixture) config(server *httptest.Server) (openai.Config, error) {
	attempts, err := strconv.Atoi(cmp.Or(f.head["retries"], "1"))
	if err != nil {
		return openai.Config{}, fmt.Errorf("%s: head: retries: %w", f.name, err)
	}
	addr := server.Listener.Addr()
	base := "http://" + cmp.Or(f.head["host"], addr.String())
	if !strings.Contains(f.head["host"], "/") {
		base += "/v1"
	}
	return openai.Config{
		BaseURL: base,
		Key:     key,
		API:     openai.API(strings.TrimPrefix(f.head["api"], "auto")),
		Timeout: 20 * time.Second,
		Retry:   wrap.Retry{Attempts: attempts, MinDelay: -1, MaxWait: 50 * time.Millisecond},
		HTTPClient: &http.Client{Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, addr.Network(), addr.String())
			},
		}},
	}, nil
}

// fakeProvider gives the replies one after the other.
type fakeProvider struct {
	replies []reply

	mu   sync.Mutex
	sent []received
}

func (p *fakeProvider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // a client that breaks off gets no answer
	p.mu.Lock()
	n := len(p.sent)
	p.sent = append(p.sent, received{r.URL.RequestURI(), r.Header, string(body)})
	p.mu.Unlock()
	if n >= len(p.replies) {
		http.Error(w, "the fixture has no answer to this request", http.StatusTeapot)
		return
	}
	p.replies[n].write(w)
}

func (p *fakeProvider) seen() []received {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent
}

func (r reply) write(w http.ResponseWriter) {
	for name, values := range r.header {
		w.Header()[name] = values
	}
	w.WriteHeader(r.status)
	body, step := r.body, len(r.body)
	if r.cut > 0 {
		body = body[:r.cut]
	}
	if r.split > 0 {
		step = r.split
	}
	for len(body) > 0 {
		n := min(step, len(body))
		_, _ = w.Write(body[:n]) // the client may be gone
		_ = http.NewResponseController(w).Flush()
		body = body[n:]
	}
	if r.cut > 0 {
		panic(http.ErrAbortHandler)
	}
}
