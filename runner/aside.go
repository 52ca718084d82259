package runner

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A result is put aside as soon as it is recorded: the event has the whole text, and the
// history gets the beginning. The state keeps the text for the tool read_result, so the text
// survives a restart and a compaction.

const (
	readName    = "read_result" // the name is part of journals
	minAside    = 1000          // bytes, so that a note and a useful piece have room
	asideNote   = 400           // bytes kept free for the note behind the beginning of a result
	maxPlaces   = 10            // in the result of a search
	placeBefore = 60            // bytes shown before a place
	placeAfter  = 120           // bytes shown from a place on
	maxListed   = 20
)

// checkAside checks the field PutAside.
func (r *Runner) checkAside(a *agent.Agent) error {
	switch {
	case r.PutAside == 0:
		return nil
	case r.PutAside < minAside:
		return fmt.Errorf("runner: PutAside is %d; the smallest number of bytes is %d", r.PutAside, minAside)
	}
	if slices.ContainsFunc(a.Tools, func(t tool.Tool) bool { return t.Name() == readName }) {
		return fmt.Errorf("runner: agent %q has a tool %q, and Runner.PutAside adds one with this name", a.DisplayName(), readName)
	}
	return nil
}

// putAside replaces a long result in its event by the beginning. The result of a tool with
// tool.Final stays whole, because the program reads it and not the model.
func (e *engine) putAside(b *event.ToolCallFinished, t tool.Tool) {
	limit := e.runner.PutAside
	if limit == 0 || b.Result.IsError || t.Name() == readName || t.Final() {
		return
	}
	size := 0
	for _, p := range b.Result.Parts {
		if text, ok := p.(llm.Text); ok {
			size += len(text.Text)
		}
	}
	if size <= limit {
		return
	}
	b.Whole = b.Result.Text()
	begin := clip.Cut(b.Whole, limit-asideNote)
	at := utf8.RuneCountInString(begin)
	parts := llm.Parts{llm.Text{Text: begin + fmt.Sprintf(
		"\n[This is the beginning of the result: %d of %d characters. The result is kept. Read on: %s {\"result\":%q,\"offset\":%d}. Or search in it: %s {\"result\":%q,\"search\":\"a text\"}.]",
		at, utf8.RuneCountInString(b.Whole), readName, b.Call, at, readName, b.Call)}}
	for _, p := range b.Result.Parts {
		if _, text := p.(llm.Text); !text {
			parts = append(parts, p)
		}
	}
	b.Result.Parts = parts
}

type readArgs struct {
	Result string `json:"result,omitempty" jsonschema_description:"The name of the result, such as r1.t2.c0. Without a name, the results that can be read are listed"`
	Offset int    `json:"offset,omitempty" jsonschema:"minimum=0" jsonschema_description:"The first character to read or to search, from 0"`
	Length int    `json:"length,omitempty" jsonschema:"minimum=1" jsonschema_description:"How many characters to read. Without a length, and at most, as many as one reply can hold"`
	Search string `json:"search,omitempty" jsonschema:"maxLength=400" jsonschema_description:"A text to look for. The reply has the places with their offsets, in place of a piece. Capital letters make no difference"`
}

// newReader returns the tool for results that were put aside.
func (e *engine) newReader() (tool.Tool, error) {
	return tool.New(readName, "Reads a long result of a tool in pieces, or searches in it. Such a result shows only its beginning, with its name. Offsets count characters.",
		func(_ context.Context, in readArgs) (string, error) {
			kept := e.recorder.aside()
			if in.Result == "" {
				return listOf(kept), nil
			}
			i := slices.IndexFunc(kept, func(a loop.Aside) bool { return string(a.Call) == in.Result })
			if i < 0 {
				return "", fmt.Errorf("no result with the name %q is kept. %s", clip.Bytes(in.Result, 100), listOf(kept))
			}
			if in.Search != "" {
				return search(&kept[i], in, e.runner.PutAside)
			}
			return piece(&kept[i], in, e.runner.PutAside)
		}, tool.Idempotent(), tool.MaxResult(-1))
}

// listOf names the results that can be read, the newest first.
func listOf(kept []loop.Aside) string {
	if len(kept) == 0 {
		return "No result was put aside."
	}
	var b strings.Builder
	b.WriteString("These results can be read:")
	for n, a := range slices.Backward(kept) {
		if len(kept)-n > maxListed {
			fmt.Fprintf(&b, "\n%d older results", n+1)
			break
		}
		fmt.Fprintf(&b, "\n%s: %s, %d characters", a.Call, a.Tool, utf8.RuneCountInString(a.Text))
	}
	return b.String()
}

// byteAt returns the place of a character of the text.
func byteAt(a *loop.Aside, offset int) (int, error) {
	n := 0
	for i := range a.Text {
		if n == offset {
			return i, nil
		}
		n++
	}
	if offset > n {
		return 0, fmt.Errorf("the offset is %d, but the result %s has %d characters", offset, a.Call, n)
	}
	return len(a.Text), nil
}

// piece returns a piece of a result, with at most limit bytes.
func piece(a *loop.Aside, in readArgs, limit int) (string, error) {
	from, err := byteAt(a, in.Offset)
	if err != nil {
		return "", err
	}
	text := clip.Cut(a.Text[from:], limit-asideNote/2)
	if in.Length > 0 {
		text = firstRunes(text, in.Length)
	}
	whole, n := utf8.RuneCountInString(a.Text), utf8.RuneCountInString(text)
	end := "[This is the end of the result.]"
	if next := in.Offset + n; next < whole {
		end = fmt.Sprintf("[The result goes on at offset %d.]", next)
	}
	return fmt.Sprintf("[Result %s of %s: %d characters from offset %d on, of %d.]\n%s\n%s", a.Call, a.Tool, n, in.Offset, whole, text, end), nil
}

func firstRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// search returns the places of a text in a result, with at most limit bytes.
func search(a *loop.Aside, in readArgs, limit int) (string, error) {
	from, err := byteAt(a, in.Offset)
	if err != nil {
		return "", err
	}
	pattern, err := regexp.Compile("(?i)" + regexp.QuoteMeta(in.Search))
	if err != nil {
		return "", err
	}
	places := pattern.FindAllStringIndex(a.Text[from:], maxPlaces+1)
	if len(places) == 0 {
		return fmt.Sprintf("[Result %s of %s: %q does not occur from offset %d on.]", a.Call, a.Tool, in.Search, in.Offset), nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "[Result %s of %s: places of %q from offset %d on.]", a.Call, a.Tool, in.Search, in.Offset)
	offset, seen := in.Offset, from
	for n, p := range places {
		at := from + p[0]
		offset, seen = offset+utf8.RuneCountInString(a.Text[seen:at]), at
		line := fmt.Sprintf("\noffset %d: %s", offset, around(a.Text, at))
		if n == maxPlaces || n > 0 && b.Len()+len(line) > limit-asideNote/4 {
			fmt.Fprintf(&b, "\n[There are more: search from offset %d on.]", offset)
			break
		}
		b.WriteString(line)
	}
	return b.String(), nil
}

// around returns the text around a place, in one line.
func around(text string, at int) string {
	begin := clip.Boundary(text, max(0, at-placeBefore))
	return strings.Join(strings.Fields(text[begin:at]+clip.Cut(text[at:], placeAfter)), " ")
}

// aside returns the results that were put aside.
func (r *recorder) aside() []loop.Aside {
	r.acquire()
	defer r.release()
	return r.state.Aside
}
