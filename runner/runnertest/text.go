package runnertest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// maxText is the number of characters of a single text that a transcript shows.
const maxText = 4000

// clip cuts a text, and appends the size of the cut part and a digest of the
// whole.
func clip(s string) string {
	more := utf8.RuneCountInString(s) - maxText
	if more <= 0 {
		return s
	}
	at := 0
	for range maxText {
		_, size := utf8.DecodeRuneInString(s[at:])
		at += size
	}
	return fmt.Sprintf("%s\n[… %d more characters, %s]", s[:at], more, digest([]byte(s)))
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256 " + hex.EncodeToString(sum[:4])
}

// printable escapes non-printing characters as Go does, and a space at the end
// of a line, because editors remove such a space. The result survives in a file,
// whatever happens to the file's line ends.
func printable(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == ' ' && i == len(s)-1:
			b.WriteString(`\x20`)
		case r == '\t' && i < len(s)-1, unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return b.String()
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// quotedName returns a name from outside, in quotes if a reader could take the name
// for more than a name.
func quotedName(name string) string {
	if plainName.MatchString(name) {
		return name
	}
	return strconv.Quote(name)
}

// sizeAndDigest describes data by size and digest. data may be empty.
func sizeAndDigest(data []byte) string { return fmt.Sprintf("%d bytes, %s", len(data), digest(data)) }

func imageLine(p llm.Image) string {
	if len(p.Data) == 0 {
		return urlLine("image", p.URL)
	}
	return fmt.Sprintf("[%s, %s]", cmp.Or(p.MediaType, http.DetectContentType(p.Data)), sizeAndDigest(p.Data))
}

// urlLine names a URL. A data URL is only described.
func urlLine(what, url string) string {
	if kind, ok := strings.CutPrefix(url, "data:"); ok {
		kind, _, _ = strings.Cut(kind, ",")
		return fmt.Sprintf("[%s, data URL of %s]", kind, sizeAndDigest([]byte(url)))
	}
	return fmt.Sprintf("[%s %s]", what, url)
}

// audioLine leaves out the ID, because the provider chooses the ID.
func audioLine(p llm.Audio) string {
	if len(p.Data) == 0 {
		return "[audio]"
	}
	return fmt.Sprintf("[audio %s, %s]", cmp.Or(p.Format, "of no format"), sizeAndDigest(p.Data))
}

func fileLine(p llm.File) string {
	words := []string{"file"}
	for _, s := range []string{p.Name, p.ID} {
		if s != "" {
			words = append(words, quotedName(s))
		}
	}
	line := strings.Join(words, " ")
	if p.MediaType != "" {
		line += ", " + p.MediaType
	}
	if len(p.Data) > 0 {
		line += ", " + sizeAndDigest(p.Data)
	}
	return "[" + line + "]"
}

// normalizer returns a function that replaces the parts of a text that differ
// between two equal runs.
func normalizer(events []event.Event) func(string) string {
	by := idsOf(events)
	ids := slices.SortedFunc(maps.Keys(by), func(a, b string) int { // the longest first
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	for i, id := range ids {
		ids[i] = regexp.QuoteMeta(id)
	}
	known := regexp.MustCompile(`\b(?:` + strings.Join(ids, "|") + `)\b`)
	return func(s string) string {
		if len(ids) > 0 {
			s = known.ReplaceAllStringFunc(s, func(id string) string { return by[id] })
		}
		return loopback.ReplaceAllString(s, "$1:<port>")
	}
}

var loopback = regexp.MustCompile(`(127\.0\.0\.1|\[::1\]|localhost):[0-9]+`)

// idsOf returns the provider's ids with their replacements. Providers repeat
// ids: the first use counts.
func idsOf(events []event.Event) map[string]string {
	by := map[string]string{}
	add := func(id, text string) {
		if _, known := by[id]; !known {
			by[id] = text
		}
	}
	provided := func(id, text string) {
		if isDistinctive(id) {
			add(id, text)
		}
	}
	run := 0
	for _, e := range events {
		of := ""
		if e.Path != "" {
			of = " of " + string(e.Path)
		}
		switch b := e.Body.(type) {
		case event.RunStarted:
			if e.Path == "" {
				run = b.Run
			}
			add(b.ID, "<run"+of+">")
		case event.ModelAnswered:
			provided(b.ID, fmt.Sprintf("<answer %d%s>", b.Turn, of))
			provided(b.RequestID, fmt.Sprintf("<request %d%s>", b.Turn, of))
			for i, c := range b.Message.Calls() {
				if c.ID != c.Name {
					ref := event.NewCallRef(run, b.Turn, i)
					if e.Path != "" {
						ref = event.NewCallRef(1, b.Turn, i).Under(e.Path)
					}
					provided(c.ID, "<"+string(ref)+">")
				}
			}
		}
	}
	return by
}

// isDistinctive reports whether an id of a provider is distinguishable from ordinary
// words. Some providers name calls "0".
func isDistinctive(id string) bool {
	return len(id) >= 5 && strings.ContainsAny(id, "0123456789") || len(id) >= 16
}
