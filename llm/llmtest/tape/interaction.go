package tape

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// An interaction is a request with its response or error. The exported fields are the
// members of its file.
type interaction struct {
	Seat     string          `json:"seat"`               // "model" or "transport"
	Request  json.RawMessage `json:"request"`            // of requestJSON, or a tapedRequest
	Deltas   []tapedDelta    `json:"deltas,omitempty"`   // of a model
	Response json.RawMessage `json:"response,omitempty"` // a tapedResponse or a tapedAnswer
	Error    *tapedError     `json:"error,omitempty"`
	Cut      bool            `json:"cut,omitempty"` // the caller cancelled

	normalized any   // of the request, as it is compared; set when it is first
	done       bool  // recorded to its end, or used
	writeErr   error // why it cannot be written
}

// file returns the text of the interaction's file.
func (e *interaction) file(s scrubber) (string, error) {
	if e.writeErr != nil {
		return "", e.writeErr
	}
	s.deltas(e.Deltas)
	if e.Seat == seatTransport {
		if err := e.scrubBodies(s); err != nil {
			return "", err
		}
	}
	text, err := rawjson.Marshal(e)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	pretty(&b, llm.Member{Value: string(s.json(text))}, "")
	b.WriteByte('\n')
	return b.String(), s.secrets.check(b.String())
}

// scrubBodies scrubs the bodies of requests and responses as JSON or as events.
// Scrubbing the strings of the file is not enough, because a stream can cut a secret
// in two.
func (e *interaction) scrubBodies(s scrubber) error {
	var request tapedHTTPRequest
	if err := json.Unmarshal(e.Request, &request); err != nil {
		return err
	}
	if err := s.secrets.check(string(request.Base64)); err != nil || e.Response == nil {
		return err
	}
	var answer tapedHTTPResponse
	if err := json.Unmarshal(e.Response, &answer); err != nil {
		return err
	}
	answer.content = s.content(answer.content).asEvents()
	var err error
	e.Response, err = rawjson.Marshal(answer)
	return errors.Join(err, s.secrets.check(string(answer.Base64)))
}

// maxInline is the largest length of a value on one line, in bytes.
const maxInline = 80

// pretty writes compact JSON for readers: short values and events of a stream on one
// line, arrays of objects on several lines.
func pretty(b *strings.Builder, m llm.Member, indent string) {
	open, closing, items := splitJSON(m.Value)
	list := strings.HasPrefix(m.Value, "[{")
	if items == nil || indent != "" && len(m.Value) <= maxInline && !list {
		b.WriteString(m.Value)
		return
	}
	b.WriteByte(open)
	for i, it := range items {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n" + indent + "  ")
		if open == '{' {
			b.WriteString(rawjson.Quote(it.Name) + ": ")
		}
		if open == '[' && m.Name == "events" {
			b.WriteString(it.Value)
			continue
		}
		pretty(b, it, indent+"  ")
	}
	b.WriteString("\n" + indent)
	b.WriteByte(closing)
}

// splitJSON returns the members of an object or the elements of an array (without
// names). Other values have no items.
func splitJSON(raw string) (open, closing byte, items []llm.Member) {
	switch {
	case strings.HasPrefix(raw, "{"):
		items, _ = llm.ParseMembers([]byte(raw)) // it was marshalled, or checked
		return '{', '}', items
	case strings.HasPrefix(raw, "["):
		var elements []json.RawMessage
		_ = json.Unmarshal([]byte(raw), &elements)
		for _, e := range elements {
			items = append(items, llm.Member{Value: string(e)})
		}
		return '[', ']', items
	}
	return 0, 0, nil
}

func fileName(number int) string { return fmt.Sprintf("%03d.json", number) }

var fileNames = regexp.MustCompile(`^(\d{3,})\.json$`)

// numbered returns the numbers of the recorded files, in order.
func numbered(root *os.Root) ([]int, error) {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, entry := range entries {
		if m := fileNames.FindStringSubmatch(entry.Name()); m != nil {
			n, err := strconv.Atoi(m[1])
			if err != nil || fileName(n) != entry.Name() {
				return nil, fmt.Errorf("%s is not a name of ours", entry.Name())
			}
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// readInteractions reads the recording in dir.
func readInteractions(dir string) ([]*interaction, error) {
	const advice = "record with -update or TOOLLOOP_UPDATE=1"
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: there is no recording: %s", dir, advice)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // nothing was written
	numbers, err := numbered(root)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if len(numbers) == 0 {
		return nil, fmt.Errorf("%s: there is no recording: %s", dir, advice)
	}
	return readFiles(root, dir, numbers)
}

func readFiles(root *os.Root, dir string, numbers []int) ([]*interaction, error) {
	var all []*interaction
	for i, n := range numbers {
		name := filepath.Join(dir, fileName(i+1))
		if n != i+1 {
			return nil, fmt.Errorf("%s is missing, and there is %s", name, fileName(n))
		}
		text, err := root.ReadFile(fileName(n))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		e, err := parseInteraction(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, e)
	}
	return all, nil
}

// parseInteraction reads a file. Errors begin with the place.
func parseInteraction(text []byte) (*interaction, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("is not UTF-8")
	}
	e := new(interaction)
	if err := decodeStrict(text, text, e); err != nil {
		return nil, err
	}
	if err := e.check(text); err != nil {
		return nil, err
	}
	return e, nil
}

// decodeStrict decodes part, a JSON document within text, and refuses unknown
// members.
func decodeStrict(text, part []byte, v any) error {
	start := int64(bytes.Index(text, part))
	at := func(offset int64, err error) error {
		return fmt.Errorf("line %d: %w", line(text, start+offset), err)
	}
	dec := json.NewDecoder(bytes.NewReader(part))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil {
		if _, more := dec.Token(); more != io.EOF {
			return at(dec.InputOffset(), errors.New("there is text behind the document"))
		}
		return nil
	}
	if syntax := new(json.SyntaxError); errors.As(err, &syntax) {
		return at(syntax.Offset, err)
	}
	if wrong := new(json.UnmarshalTypeError); errors.As(err, &wrong) {
		return at(wrong.Offset, fmt.Errorf("%s: got a %s", cmp.Or(wrong.Field, "the document"), wrong.Value))
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
		return at(int64(len(part)), errors.New("the file ends within the document"))
	}
	return err
}

func line(text []byte, offset int64) int {
	return 1 + bytes.Count(text[:min(int(offset), len(text))], []byte("\n"))
}

// check reports content that a recording cannot have. text is the file.
func (e *interaction) check(text []byte) error {
	for i, d := range e.Deltas {
		if d.delta() == nil {
			return fmt.Errorf("deltas/%d: is not a delta", i)
		}
	}
	switch {
	case e.Request == nil:
		return errors.New("request: is missing")
	case e.Response == nil && e.Error == nil && !e.Cut:
		return errors.New("response: is missing, and so is an error")
	case e.Error != nil && e.Error.err() == nil:
		return errors.New("error: says nothing")
	}
	switch e.Seat {
	case seatModel:
		return checkSection(text, "response", e.Response, new(tapedResponse))
	case seatTransport:
		if err := checkSection(text, "request", e.Request, new(tapedHTTPRequest)); err != nil {
			return err
		}
		return checkSection(text, "response", e.Response, new(tapedHTTPResponse))
	}
	return fmt.Errorf("seat: got %q, want %q or %q", e.Seat, seatModel, seatTransport)
}

func checkSection(text []byte, name string, raw json.RawMessage, v any) error {
	if raw == nil {
		return nil
	}
	if err := decodeStrict(text, raw, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if a, ok := v.(*tapedHTTPResponse); ok && (a.Status < 100 || a.Status > 999) {
		return fmt.Errorf("%s: the status is %d", name, a.Status)
	}
	return nil
}

// checkWritable creates dir and writes a test file. A directory that is not writable
// must fail before the real model is paid for answers.
func checkWritable(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	const name = ".tape-probe"
	err = root.WriteFile(name, nil, 0o666)
	if err == nil {
		err = root.Remove(name)
	}
	return errors.Join(err, root.Close())
}

// writeInteractions replaces the recording in dir. All files are written under
// temporary names before the first file is renamed.
func writeInteractions(dir string, files []string) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	defer func() {
		for i := range files {
			_ = root.Remove(temporary(i + 1)) // is there after a failure only
		}
	}()
	for i, text := range files {
		if err := root.WriteFile(temporary(i+1), []byte(text), 0o666); err != nil {
			return err
		}
	}
	for i := range files {
		if err := root.Rename(temporary(i+1), fileName(i+1)); err != nil {
			return err
		}
	}
	return removeBeyond(root, len(files))
}

func removeBeyond(root *os.Root, last int) error {
	numbers, err := numbered(root)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if n > last {
			if err := root.Remove(fileName(n)); err != nil {
				return err
			}
		}
	}
	return nil
}

func temporary(number int) string { return ".tape-" + fileName(number) }
