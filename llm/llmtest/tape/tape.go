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

// A Tape is a recording of the interactions with a real model: a directory with a readable
// file for each request and its response, 001.json, 002.json … in the order of the requests.
// [Replay] reads the files in place of the real model. [Record] writes the files. Most tests
// use Replay, which records when the flag -update is set:
//
//	var _ = flag.Bool("update", false, "record again") // in one _test.go file of the package
//
//	func TestRefund(t *testing.T) {
//		recorded := tape.Replay(t, "testdata/refund")
//		model := recorded.Model(openai.Model("gpt-4o-mini"))
//		…
//	}
//
//	go test -run TestRefund -update
//
// [Tape.Model] puts the tape in front of an [llm.Model], and [Tape.Transport] in front of an
// [http.RoundTripper].
//
// # Comparison of requests
//
// Each request gets the answer of the first unused interaction whose recorded request is
// equal. Therefore equal requests get their answers in the recorded order, and different
// requests may come in any order, for example from parallel agents. Without an equal
// request, the test fails with the differences to the most similar request, and the caller
// gets an error that clients do not retry. Unused interactions fail the test at its end.
//
//   - [Tape.Transport] compares method, path, query and body. Headers and the host are
//     ignored.
//   - [Tape.Model] compares all fields except Memo.
//   - JSON is compared by value: the order of members, white space, and the spelling of
//     numbers and strings are ignored. The order of elements counts.
//   - Ids of tool calls are replaced by numbers, in the order of their first occurrence in
//     the request: "id" of an object in "tool_calls" or of type "tool_call", and any
//     "tool_call_id", "call_id" and "previous_response_id". So the ids may differ, but
//     calls and results must belong together in the same way.
//   - Times in strings (a date with a time of day, as in RFC 3339 or with a blank for the
//     T) are replaced by numbers in the same way. A date alone is compared unchanged.
//
// Use Scrub for further differences between runs, for example a date in instructions.
//
// # Secrets
//
// The files have no headers of requests, and only these headers of responses: Content-Type,
// Retry-After, X-Should-Retry, X-Ratelimit-… and the ids of requests. The files have no host,
// user and password of a URL; only the text of a network error may have a host. Everywhere
// else "[scrubbed]" replaces
//
//   - known values (see below), even if events of a stream cut a value in two;
//   - keys of known forms (sk-…, AIza…, gsk_…, xai-…, hf_…, ghp_…, AKIA…, a JWT,
//     "Bearer …"), and user and password in any URL;
//   - the values of query members named like secrets, and the strings in JSON members
//     named like secrets: api_key, authorization, password, secret, access_token and the
//     like, and token, except in log probabilities.
//
// The last rule does not look into strings that contain JSON, such as the arguments of a
// call, because a replay must return these unchanged. Use Scrub for more.
//
// Known values are
//
//   - the values of sent and received headers whose name contains key, token, secret,
//     authorization, cookie, password or credential;
//   - the values of query members with such names, and with names such as sig, code, auth
//     and session;
//   - the user and the password of the URL;
//   - the values of environment variables named …_KEY, …_TOKEN, …_SECRET or …_PASSWORD.
//
// An environment variable counts if its value has at least 16 bytes. All other values count
// if they have at least 8 bytes. If a known value remains, for example in binary data, the
// recording is not written and the test fails.
//
// Requests are scrubbed before the comparison as well. Therefore a replay needs no real key;
// any text will do where a client requires a key. While recording, the caller gets the
// answer unchanged.
//
// # Files
//
// A file shows a body in a form that a person can read:
//
//   - A compact JSON body is shown indented. A replay compacts the body again.
//   - A stream is an array with an event on each line.
//   - Other text is an array of lines, also a JSON response that was not compact.
//   - Everything else is in base64.
//
// So a replay returns the same bytes, except for white space before and after a JSON
// document. A replay takes no time. Errors are recorded, too: an [*llm.APIError] with its
// fields, further errors as text. If the caller cancelled a request, the replay returns the
// recorded part and then waits for the cancellation. A client that obeys a recorded
// Retry-After waits again; in a bubble of testing/synctest this wait takes no time.
//
// A recording is written at the end of the test, and only if the test has not failed. Call
// [Record] before other helpers with cleanups, so that failures in their cleanups count, too.
// The new files replace the earlier recording. Other files in the directory stay.
//
// A Tape is safe for concurrent use. A Tape must not be copied.
type Tape struct {
	// Scrub, if not nil, is called with each string that is written or compared,
	// after the rules under Secrets, and returns the replacement. Scrub(Scrub(s)) must
	// equal Scrub(s). Scrub may be called concurrently. Set Scrub before the first
	// request.
	Scrub func(string) string

	t         testing.TB
	dir       string
	recording bool
	secrets   secrets

	mu           sync.Mutex
	interactions []*interaction // recorded, or read from dir
	requests     int            // requests that came
	ended        bool           // the test has ended, t must not be used
}

// Record returns a Tape that records the answers of the real model, in place of an
// earlier recording in dir. Record creates the directory if necessary. If dir
// contains ".." or is not writable, Record ends t at once. A test without any request
// fails.
func Record(t testing.TB, dir string) *Tape {
	t.Helper()
	tp := &Tape{t: t, dir: dir, recording: true}
	tp.secrets.addEnvironment(os.Environ())
	err := checkDir(dir)
	if err == nil {
		err = checkWritable(dir)
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
		tp.interactions, err = readInteractions(dir)
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

// checkDir refuses an empty directory and "..", so that a directory built from a
// test's name cannot lead outside.
func checkDir(dir string) error {
	if dir == "" || slices.Contains(strings.Split(filepath.ToSlash(dir), "/"), "..") {
		return fmt.Errorf("the directory of a tape is %q: it may not be empty or hold \"..\"", dir)
	}
	return nil
}

// finish ends the tape at the end of the test. For a skipped test, finish writes and
// checks nothing.
func (tp *Tape) finish(last func(*Tape) error) {
	tp.t.Helper()
	tp.mu.Lock()
	defer tp.mu.Unlock()
	tp.ended = true
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
	case len(tp.interactions) == 0:
		return fmt.Errorf("no request came: %s is left as it was", tp.dir)
	}
	s := tp.scrubber()
	files := make([]string, len(tp.interactions))
	for i, e := range tp.interactions {
		if !e.done {
			return fmt.Errorf("interaction %d had not ended with the test: %s is left as it was", i+1, tp.dir)
		}
		text, err := e.file(s)
		if err != nil {
			return fmt.Errorf("interaction %d: %w: %s is left as it was", i+1, err, tp.dir)
		}
		files[i] = text
	}
	return writeInteractions(tp.dir, files)
}

// unused returns an error with the files of unused interactions. The caller holds mu.
func (tp *Tape) unused() error {
	var left []string
	for i, e := range tp.interactions {
		if !e.done {
			left = append(left, fileName(i+1))
		}
	}
	if left == nil {
		return nil
	}
	return fmt.Errorf("%d of %s in %s not used: %s",
		len(left), clip.Count(len(tp.interactions), "interaction"), tp.dir, strings.Join(left, ", "))
}

func (tp *Tape) scrubber() scrubber { return scrubber{secrets: &tp.secrets, own: tp.Scrub} }

// start adds an interaction that is being recorded.
func (tp *Tape) start(e *interaction) error {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	if tp.ended {
		return errors.New("tape: a request came after the end of the test that records it")
	}
	tp.interactions = append(tp.interactions, e)
	return nil
}

// end completes an interaction by calling enter. Further calls do nothing.
func (tp *Tape) end(e *interaction, enter func()) {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	if !e.done && !tp.ended {
		enter()
		e.done = true
	}
}

// find returns the recorded interaction for a request of the seat. Without a match,
// find fails the test and returns an error that clients do not retry.
func (tp *Tape) find(seat string, request []byte) (*interaction, error) {
	wants := tp.normalizedForms(request)
	tp.mu.Lock()
	defer tp.mu.Unlock()
	tp.requests++
	var nearest *interaction
	var least []difference
	place := 0
	for i, e := range tp.interactions {
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
			tp.requests, clip.Count(len(tp.interactions), "interaction"), tp.dir, clip.Runes(string(tp.scrubber().json(request)), 2000)))
	}
	name := filepath.Join(tp.dir, fileName(place))
	return nil, tp.fail("request_differs", fmt.Sprintf("request %d is not that of %s:%s", tp.requests, name, showDifferences(least)))
}

// fail fails the test with the text, and returns a short error for the caller. The
// error has no text of the request, because clients classify errors by words. The
// caller holds mu.
func (tp *Tape) fail(code, text string) error {
	if !tp.ended {
		tp.t.Errorf("tape: %s\n(-update or TOOLLOOP_UPDATE=1 records anew; the doc of tape.Tape says what is compared)", text)
	}
	return &llm.APIError{
		Kind: llm.KindInvalidRequest, Provider: "llmtest", StatusCode: 400,
		Type: "invalid_request_error", Code: code, Retries: -1,
		Message: fmt.Sprintf("request %d is not in the recording %s", tp.requests, tp.dir),
	}
}

// normalizedForms returns two forms of a request for the comparison: without all
// secrets, and without the secrets of known forms only. The second form is needed
// because a replay's stand-in for a key, such as "password", may be an ordinary word
// of the conversation.
func (tp *Tape) normalizedForms(request []byte) []any {
	s := tp.scrubber()
	all := normalize(s.json(request))
	s.secrets = nil
	return []any{all, normalize(s.json(request))}
}
