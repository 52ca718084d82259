package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// Out prints a run for people: the text of answers, and lines about the other
// events. In a terminal with colours these lines are dim.
type Out struct {
	out   stream
	err   stream
	open  bool // the cursor is behind text
	shown bool // pieces of the current answer were printed
}

// A stream is stdout or stderr.
type stream struct {
	w     io.Writer
	color bool
}

func newOut(out, err *os.File) *Out {
	return &Out{out: stream{out, hasColor(out)}, err: stream{err, hasColor(err)}}
}

// hasColor reports whether f is a terminal whose user did not disable colours.
func hasColor(f *os.File) bool {
	return IsTerminal(f) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// IsTerminal reports whether f is a terminal.
func IsTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// Text prints a piece of an answer.
func (o *Out) Text(s string) {
	s = printable(s)
	if s == "" {
		return
	}
	_, _ = io.WriteString(o.out.w, s)
	o.open, o.shown = !strings.HasSuffix(s, "\n"), true
}

// Answer ends an answer. Answer prints the text unless the pieces were printed.
func (o *Out) Answer(text string) {
	if !o.shown {
		o.Text(text)
	}
	o.EndLine()
	o.shown = false
}

// Note prints a dim line.
func (o *Out) Note(format string, args ...any) { o.line(o.out, format, args...) }

// Notice prints a dim line on stderr, about the run and outside of its output.
func (o *Out) Notice(format string, args ...any) { o.line(o.err, format, args...) }

func (o *Out) line(to stream, format string, args ...any) {
	o.EndLine()
	text := fmt.Sprintf(format, args...)
	line := strings.Repeat(" ", len(text)-len(strings.TrimLeft(text, " "))) + OneLine(text) // with the indentation of text
	if to.color {
		line = "\x1b[2m" + line + "\x1b[0m"
	}
	_, _ = io.WriteString(to.w, line+"\n")
}

// Void prints a dim line that says why the answer so far does not count.
func (o *Out) Void(format string, args ...any) {
	o.shown = false
	o.Note(format, args...)
}

// Prompt prints the prompt for a line.
func (o *Out) Prompt() {
	o.EndLine()
	_, _ = io.WriteString(o.out.w, "> ")
}

// Ask prints a question on stderr, without the end of the line.
func (o *Out) Ask(question string) {
	o.EndLine()
	_, _ = io.WriteString(o.err.w, OneLine(question)+" ")
}

// EndLine begins a new line unless the cursor is at the start of one.
func (o *Out) EndLine() {
	if o.open {
		_, _ = io.WriteString(o.out.w, "\n")
		o.open = false
	}
}

// maxLine limits a line, in characters. A line of an event fits, with a name and a
// reference.
const maxLine = 700

// OneLine returns a text as one line.
func OneLine(s string) string {
	line := []rune(strings.Join(strings.Fields(printable(s)), " "))
	if len(line) > maxLine {
		return string(line[:maxLine]) + "…"
	}
	return string(line)
}

// printable drops control characters and invisible characters, with which a model or
// a tool could move the cursor or reverse text.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '\n', '\t', '\u200c', '\u200d': // the last two join letters and emoji, or separate them
			return r
		}
		if unicode.In(r, unicode.Cc, unicode.Cf) {
			return -1
		}
		return r
	}, s)
}
