package pages

import (
	"fmt"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A page is what both forms of a report show. All its texts are bounded and printable.
type page struct {
	Title   string
	Status  string   // of the last run
	State   string   // as in entry
	Facts   []string // about the whole session
	Strip   *strip   // nil if nothing took time
	Entries []*entry // runs, and what stands outside a run
	Turns   []row    // the usage by turn
}

// A row is a turn in the table of the usage.
type row struct {
	ID                                     int64
	Turn, Model                            string
	In, Cached, Out, Reasoning, Cost, Took string
}

// An entry is one thing in a report: a run, a message, a turn, a call, a note.
type entry struct {
	Kind   string // "run", "message", "turn", "call" or "note"
	State  string // "good", "bad", "wait", or empty
	Title  string // in words of this package
	Name   string // from outside: an agent, a tool, a role
	Facts  []string
	Marks  []mark
	Blocks []block
	Inner  []*entry
	Bars   []bar  // when it happened, as parts of its turn
	Key    string // of the part that the entry is; empty in a whole page

	spans []span
	calls int // of a turn
}

// Problem reports whether something in the entry went wrong.
func (e *entry) Problem() bool {
	if e.State == "bad" {
		return true
	}
	for _, inner := range e.Inner {
		if inner.Problem() {
			return true
		}
	}
	return false
}

// A mark is an event that an entry shows.
type mark struct {
	ID   int64 // 0 for an ephemeral event
	When string
}

// A block is a text in an entry.
type block struct {
	Label string // in words of this package; empty for what somebody said
	Text  string
	Code  bool // JSON and the like
	Fold  bool // shown on request only
}

// The length above which a text is folded, and of a label beside its text.
const (
	maxLabel  = 12
	foldBytes = 2000
	foldLines = 30
)

// Folded reports whether the block is closed at first.
func (b block) Folded() bool {
	return b.Fold || len(b.Text) > foldBytes || strings.Count(b.Text, "\n") > foldLines
}

// Short reports whether the text stands beside its label.
func (b block) Short() bool {
	return b.Label != "" && len(b.Label) <= maxLabel && len(b.Text) <= 2*maxLine && !strings.Contains(b.Text, "\n") && !b.Folded()
}

// Opening returns the beginning of a folded text.
func (b block) Opening() string {
	if b.Fold {
		return ""
	}
	line := strings.Join(strings.Fields(b.Text[:min(len(b.Text), 400)]), " ")
	return name(strings.ToValidUTF8(line, ""))
}

// Size returns the size of the text for people.
func (b block) Size() string { return size(len(b.Text)) }

// add adds a block, unless it has no text.
func (e *entry) add(b block) {
	if b.Text != "" {
		e.Blocks = append(e.Blocks, b)
	}
}

func (e *entry) mark(ev event.Event) {
	e.Marks = append(e.Marks, mark{ev.Seq, stamp(ev.Time)})
}

// stamp returns a time for people, or "" for the zero time.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05.999") + " UTC"
}

// parts adds the parts of a message or a result, except the calls of an answer, which are
// entries of their own.
func (e *entry) parts(t *texts, label string, parts llm.Parts, answer bool) {
	for _, p := range parts {
		switch p := p.(type) {
		case llm.Text:
			e.add(block{Label: label, Text: t.json(p.Text), Code: strings.HasPrefix(label, "result")})
			e.members(t, p.Extra)
		case llm.Reasoning:
			e.add(block{Label: "reasoning", Text: t.of(p.Text), Fold: true})
			e.members(t, p.Extra)
		case llm.Refusal:
			e.add(block{Label: "refusal", Text: t.of(p.Text)})
			e.members(t, p.Extra)
		case llm.Image:
			e.add(block{Label: "image", Text: picture(p)})
		case llm.Audio:
			e.add(block{Label: "sound", Text: content(p.Format, "", len(p.Data))})
			e.add(block{Label: "transcript", Text: t.of(p.Transcript)})
		case llm.File:
			e.add(block{Label: "file", Text: content(p.MediaType, p.Name+p.ID, len(p.Data))})
		case llm.ToolCall: // of a history that the caller supplied, as in the next case
			if !answer {
				e.add(block{Label: "call of " + name(p.Name), Text: t.json(p.Arguments), Code: true})
			}
		case llm.ToolResult:
			e.parts(t, "result of "+name(p.Name), p.Parts, false)
		case llm.RawPart:
			e.add(block{Label: "part of an unknown kind", Text: t.json(p.JSON), Code: true, Fold: true})
		}
	}
}

// members adds what a provider sent beside the known members.
func (e *entry) members(t *texts, extra []llm.Member) {
	for _, m := range extra {
		e.add(block{Label: "more of the provider: " + name(m.Name), Text: t.json(m.Value), Code: true, Fold: true})
	}
}

// picture describes an image. A data URL is not an address, and can be long.
func picture(p llm.Image) string {
	if len(p.Data) > 0 || strings.HasPrefix(p.URL, "data:") {
		return content(p.MediaType, "", max(len(p.Data), len(p.URL)))
	}
	return name(p.URL)
}

func content(kind, title string, n int) string {
	words := []string{name(title), name(kind), size(n)}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

// tools describes the tools of a turn.
func tools(offered []event.OfferedTool) string {
	names := make([]string, len(offered))
	for i, o := range offered {
		names[i] = name(o.Name)
	}
	return fmt.Sprintf("%d: %s", len(names), strings.Join(names, ", "))
}
