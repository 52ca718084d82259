package tape

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// A Tape keeps exchanges with a real model in a directory, one readable file
// each: 001.json, 002.json … in the order of the requests. [Record] makes one
// that writes them, [Replay] one that answers from them; [Tape.Model] and
// [Tape.Transport] are where it is put in.
//
//	var _ = flag.Bool("update", false, "record anew") // in one _test.go file of the package
//
//	func TestRefund(t *testing.T) {
//		recorded := tape.Replay(t, "testdata/refund")
//		model := recorded.Model(openai.Model("gpt-4o-mini"))
//		…
//	}
//
//	go test -run TestRefund -update
//
// # What is compared
//
// The first unused exchange with the same request answers a request. So equal
// requests get their answers in the recorded order. Different requests may come in
// any order, as from parallel helpers: a request holds its whole conversation, so
// a request that comes too early differs. Without a match, the test fails with the
// differences to the nearest exchange, and the caller gets an error that no client
// retries. Unused exchanges fail the test at its end.
//
// Of a request that goes through [Tape.Transport] the method, the path, the query
// and the body count; headers and the host do not. Of one that goes through
// [Tape.Model] all but the Memo counts. Two bodies are the same if they are the
// same JSON: the order of members, white space and the spelling of numbers and
// strings do not matter, the order of elements does. Before that,
//
//   - the ids of tool calls (the "id" of an object in "tool_calls" or of one of the
//     type "tool_call", and any "tool_call_id", "call_id" and
//     "previous_response_id") are numbered by their first occurrence in the
//     request: what belongs together must, whatever its name;
//   - moments in strings (a date with a time of day, as in RFC 3339, or with a
//     blank for the T) are numbered in the same way. A date alone is compared as
//     it stands.
//
// Use Scrub for any further difference between runs, such as a date in
// instructions.
//
// # What is not written
//
// Of the headers of a request none is written, of those of a response
// Content-Type, Retry-After, X-Ratelimit-… and the ids of requests. User and
// password of a URL and its host are not written, either, but for a host that
// stands in the text of a network error. Cut out, and replaced
// by "[scrubbed]", are
//
//   - wherever they stand, be it cut in two by the events of a stream: the values
//     of the headers that were sent or received under a name with key, token,
//     secret, authorization, cookie, password or credential in it, of the query
//     members named like that, or sig, code, auth, session and the like, and of user and password of the
//     URL, if they have eight bytes or more; and those of environment variables
//     whose name ends in _KEY, _TOKEN, _SECRET or _PASSWORD, from 16 bytes on;
//   - what looks like a key of a known form (sk-…, AIza…, gsk_…, xai-…, hf_…,
//     ghp_…, AKIA…, a JWT, "Bearer …"), and user and password in any URL;
//   - the values of such members of a query, and the strings in members of JSON
//     named like secrets: api_key, authorization, password, secret, access_token
//     and the like, and token, unless it is that of a log probability.
//
// Text that happens to be JSON, such as the arguments of a call, is not looked
// into for the last rule: a replay has to give them as they were. Scrub is there
// for more. A recording in which one of the first kind is left in spite of all,
// say in binary data, is not written, and the test fails.
//
// What is cut out for the file is cut out of the request that is compared with
// it, so a replay needs no real key, but any text where a client wants one. While
// recording, the caller gets the answer as it came.
//
// # Files
//
// A body of JSON is written as JSON, indented; a stream as an array with one event
// a line; other text as an array of its lines; all else in base64. What is
// replayed is the same byte for byte, but for white space around a document, and
// the time that passed is left out. Errors are recorded, too: an [*llm.APIError]
// with its fields, any other as its text. Where the caller gave up, a replay goes
// as far, and then waits for the caller to give up again. Whoever waits for what a
// recorded error asks for, such as Retry-After, waits again; in a bubble of
// testing/synctest that takes no time.
//
// Files are written at the end of the test, and only if it has not failed:
// whoever calls [Record] before he opens other things has their complaints
// counted, too. They replace what was recorded before. Other files in the
// directory are left alone.
//
// A Tape is safe for concurrent use. It must not be copied.
type Tape struct {
	// Scrub, if not nil, is called with each string that is written or compared,
	// after the rules above, and returns the replacement. Scrub must return its own
	// results unchanged. Scrub may be called concurrently. Set Scrub before the
	// first request.
	Scrub func(string) string

	t         testing.TB
	dir       string
	recording bool
	secrets   secrets

	mu        sync.Mutex
	exchanges []*exchange // recorded, or read from dir
	asked     int         // requests that came
	over      bool        // the test has ended, t must not be used
}

// Record returns a Tape that asks the real model and records its answers, in
// place of the earlier recording in dir. Record creates the directory if
// necessary. A dir that contains .. or is not writable ends t at once. A test
// without any request fails.
func Record(t testing.TB, dir string) *Tape {
	t.Helper()
	tp := &Tape{t: t, dir: dir, recording: true}
	tp.secrets.addEnvironment(os.Environ())
	err := checkDir(dir)
	if err == nil {
		err = probe(dir)
	}
	if err != nil {
		t.Fatal(fmt.Errorf("tape: %w", err))
	}
	t.Cleanup(func() {
		t.Helper()
		tp.finish((*Tape).save)
	})
	return tp
}

// Replay returns a Tape that answers from the recording in dir, without the real
// model. To record instead, as [Record] does, set the flag -update, if the test
// binary defines a boolean flag of that name (this package does not), or
// TOOLLOOP_UPDATE=1 in the environment (or another true value of
// [strconv.ParseBool]). A dir without a readable recording ends t at once.
func Replay(t testing.TB, dir string) *Tape {
	t.Helper()
	if updating(flag.Lookup("update"), os.Getenv("TOOLLOOP_UPDATE")) {
		return Record(t, dir)
	}
	tp := &Tape{t: t, dir: dir}
	tp.secrets.addEnvironment(os.Environ())
	err := checkDir(dir)
	if err == nil {
		tp.exchanges, err = readExchanges(dir)
	}
	if err != nil {
		t.Fatal(fmt.Errorf("tape: %w", err))
	}
	t.Cleanup(func() {
		t.Helper()
		tp.finish((*Tape).unused)
	})
	return tp
}

func updating(f *flag.Flag, env string) bool {
	if f != nil {
		if getter, ok := f.Value.(flag.Getter); ok && getter.Get() == true {
			return true
		}
	}
	on, err := strconv.ParseBool(env)
	return err == nil && on
}

// checkDir refuses a directory that could be anywhere, as the name of a test in
// it might lead to.
func checkDir(dir string) error {
	if dir == "" || slices.Contains(strings.Split(filepath.ToSlash(dir), "/"), "..") {
		return fmt.Errorf("the directory of a tape is %q: it may not be empty or hold \"..\"", dir)
	}
	return nil
}

// finish ends the tape with the test. A test that was skipped has nothing to
// keep and nothing to miss.
func (tp *Tape) finish(last func(*Tape) error) {
	tp.t.Helper()
	tp.mu.Lock()
	defer tp.mu.Unlock()
	tp.over = true
	if tp.t.Skipped() {
		return
	}
	if err := last(tp); err != nil {
		tp.t.Error(fmt.Errorf("tape: %w", err))
	}
}

// save writes the recording. The caller holds mu.
func (tp *Tape) save() error {
	switch {
	case tp.t.Failed():
		tp.t.Logf("tape: the test failed, %s is left as it was", tp.dir)
		return nil
	case len(tp.exchanges) == 0:
		return fmt.Errorf("nothing was asked: %s is left as it was", tp.dir)
	}
	s := tp.scrubber()
	files := make([]string, len(tp.exchanges))
	for i, e := range tp.exchanges {
		if !e.done {
			return fmt.Errorf("exchange %d had not ended with the test: %s is left as it was", i+1, tp.dir)
		}
		text, err := e.file(s)
		if err != nil {
			return fmt.Errorf("exchange %d: %w: %s is left as it was", i+1, err, tp.dir)
		}
		files[i] = text
	}
	return writeExchanges(tp.dir, files)
}

// unused returns an error that names the exchanges left. The caller holds mu.
func (tp *Tape) unused() error {
	var left []string
	for i, e := range tp.exchanges {
		if !e.done {
			left = append(left, fileName(i+1))
		}
	}
	if left == nil {
		return nil
	}
	return fmt.Errorf("%d of %s in %s not used: %s",
		len(left), clip.Count(len(tp.exchanges), "exchange"), tp.dir, strings.Join(left, ", "))
}

func (tp *Tape) scrubber() scrubber { return scrubber{secrets: &tp.secrets, own: tp.Scrub} }

// start enters a request that is being recorded.
func (tp *Tape) start(e *exchange) error {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	if tp.over {
		return errors.New("tape: a request came after the end of the test that records it")
	}
	tp.exchanges = append(tp.exchanges, e)
	return nil
}

// end enters what became of it. Only the first end counts.
func (tp *Tape) end(e *exchange, enter func()) {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	if !e.done && !tp.over {
		enter()
		e.done = true
	}
}

// find returns the recorded exchange for a request of that seat, or an error
// that no client tries again, after it has failed the test.
func (tp *Tape) find(seat string, request []byte) (*exchange, error) {
	wants := tp.forms(request)
	tp.mu.Lock()
	defer tp.mu.Unlock()
	tp.asked++
	var nearest *exchange
	var least []difference
	place := 0
	for i, e := range tp.exchanges {
		if e.done || e.Seat != seat {
			continue
		}
		diffs := e.differences(wants)
		if len(diffs) == 0 {
			e.done = true
			return e, nil
		}
		if nearest == nil || len(diffs) < len(least) {
			nearest, least, place = e, diffs, i+1
		}
	}
	if nearest == nil {
		return nil, tp.fail("beyond_recording", fmt.Sprintf("request %d is beyond the recording of %s in %s:\n  %s",
			tp.asked, clip.Count(len(tp.exchanges), "exchange"), tp.dir, clip.Runes(string(tp.scrubber().json(request)), 2000)))
	}
	name := filepath.Join(tp.dir, fileName(place))
	return nil, tp.fail("request_differs", fmt.Sprintf("request %d is not that of %s:%s", tp.asked, name, showDifferences(least)))
}

// fail fails the test and returns the error for the caller, which is short: it
// goes where errors go, and clients look for words in it. The caller holds mu.
func (tp *Tape) fail(code, text string) error {
	if !tp.over {
		tp.t.Errorf("tape: %s\n(-update or TOOLLOOP_UPDATE=1 records anew; the doc of tape.Tape says what is compared)", text)
	}
	return &llm.APIError{
		Kind: llm.KindInvalidRequest, Provider: "llmtest", StatusCode: 400,
		Type: "invalid_request_error", Code: code, Retries: -1,
		Message: fmt.Sprintf("request %d is not in the recording %s", tp.asked, tp.dir),
	}
}

// forms returns the request as it is compared: without what the rules cut out,
// and in a second form with the secrets of this run left in. A stand-in for a
// key, such as "password", may be an innocent word of the conversation.
func (tp *Tape) forms(request []byte) []any {
	s := tp.scrubber()
	all := normal(s.json(request))
	s.secrets = nil
	return []any{all, normal(s.json(request))}
}
