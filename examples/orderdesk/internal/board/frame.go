package board

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/inbox"
)

// Control sequences of the terminal. Between two frames the terminal is in the
// normal state, and stays usable however the program ends.
const (
	takeOver  = "\x1b[?25l\x1b[?7l" // hides the cursor, and cuts long lines instead of wrapping them
	giveBack  = "\x1b[?7h\x1b[?25h"
	clearLine = "\x1b[K" // from the cursor to the end of the line
	clearRest = "\x1b[J" // to the end of the screen
)

// draw updates the terminal in a single write.
func (b *Board) draw() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.write(b.lines())
}

// write prints the lines about finished requests, and then these lines, in place of
// the lines of the last frame.
func (b *Board) write(lines []string) {
	frame := strings.Join(lines, "\n")
	if frame == b.shown && len(b.above) == 0 {
		return
	}
	width, _ := b.size()
	var to bytes.Buffer
	to.WriteString(takeOver)
	if b.drawn > 0 {
		fmt.Fprintf(&to, "\x1b[%dA", b.drawn)
	}
	to.WriteString("\r")
	// A cut line leaves the last column free: otherwise the cursor would stand on
	// the last character and erase it.
	for _, line := range append(b.above, lines...) {
		to.WriteString(cut(line, width-1) + clearLine + "\n")
	}
	to.WriteString(clearRest + giveBack)
	b.above, b.drawn, b.shown = nil, len(lines), frame
	_, _ = b.out.Write(to.Bytes())
}

// lines returns the lines in place.
func (b *Board) lines() []string {
	width, height := b.size()
	below := b.below(width)
	// The screen needs space for the empty line, for the number of hidden workers,
	// and for the line of the cursor.
	shown := min(len(b.seats), max(height-3-len(below), 1))
	lines := []string{""}
	for n, at := range b.seats[:shown] {
		who := fmt.Sprintf("  worker %d  ", n+1)
		if at.request == 0 {
			lines = append(lines, who+"   -  idle")
			continue
		}
		lines = append(lines, fmt.Sprintf("%s%4d  %s", who, at.request, at.doing))
	}
	if more := len(b.seats) - shown; more > 0 {
		lines = append(lines, fmt.Sprintf("  and %d more", more))
	}
	return append(lines, below...)
}

// below returns the lines below the workers.
func (b *Board) below(width int) (lines []string) {
	if b.others.Count > 0 {
		lines = append(lines, "  elsewhere  "+about(b.others))
	}
	states, cost := b.summary()
	if line := "  " + states + " · " + cost; len([]rune(line)) < width {
		return append(lines, line)
	}
	return append(lines, "  "+states, "  "+cost)
}

// about describes the requests of other processes, and the time until they are free.
func about(o inbox.Others) string {
	text := fmt.Sprint(o.Count)
	if o.Free > 0 {
		text += fmt.Sprintf("; if their process died, free in %ds", int(math.Ceil(o.Free.Seconds())))
	}
	return text
}

// summary describes the totals of the requests.
func (b *Board) summary() (states, cost string) {
	t := b.totals
	tokens := t.Tokens
	for _, at := range b.seats {
		tokens += at.tokens
	}
	return fmt.Sprintf("%d done, %d running, %d waiting, %d paused, %d failed", t.Done, t.Running, t.Waiting, t.Paused, t.Failed),
		fmt.Sprintf("%d tokens · %s", tokens, time.Since(b.began).Truncate(time.Second))
}

// cut shortens a line to the width.
func cut(line string, width int) string {
	runes := []rune(line)
	if width < 1 || len(runes) <= width {
		return line
	}
	return string(runes[:width-1]) + "…"
}
