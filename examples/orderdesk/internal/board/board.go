// Package board shows workers at work: in a terminal a line for each, which is
// drawn again in place, with a summary below them and above them what is over;
// elsewhere a line for each event of interest.
//
// Nothing that a user, a model or a tool wrote reaches the terminal but as
// printable text.
package board

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/queue"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A Board shows workers. Make one with [New], and close it. It is safe for
// concurrent use.
type Board struct {
	out   io.Writer
	size  func() (width, height int)
	began time.Time
	stop  chan struct{}
	ended sync.WaitGroup

	mu     sync.Mutex
	desks  []desk
	totals queue.Totals
	above  []string // lines that are over, to be printed above the rest
	drawn  int      // lines that are in place
	shown  string   // the lines in place
	closed bool
}

// A desk is what one worker does.
type desk struct {
	request int64 // 0: nothing
	doing   string
	tokens  int64
}

// refresh is how often a board is drawn, at most.
const refresh = 100 * time.Millisecond

// New returns a board for so many workers. Size tells how many characters the
// terminal has; nil: it is none.
func New(out io.Writer, size func() (width, height int), workers int) *Board {
	b := &Board{out: out, size: size, began: time.Now(), stop: make(chan struct{}), desks: make([]desk, workers)}
	if size != nil {
		b.ended.Go(b.redraw)
	}
	return b
}

func (b *Board) redraw() {
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-tick.C:
			b.draw()
		}
	}
}

// Close leaves the lines of what is over. What comes later is not shown. It may be
// called more than once.
func (b *Board) Close() {
	b.mu.Lock()
	again := b.closed
	b.closed = true
	b.mu.Unlock()
	if again {
		return
	}
	close(b.stop)
	b.ended.Wait()
	if b.size != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.write(nil)
	}
}

// Totals are those that were reported last.
func (b *Board) Totals() queue.Totals {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.totals
}

// Report takes note of what happened.
func (b *Board) Report(r queue.Report) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	if r.Elsewhere {
		b.line(r.Request, "held", "by another process, or by one that died; looked at again until it is free")
		return
	}
	at := &b.desks[r.Worker]
	if r.Event.Body == nil {
		b.totals = r.Totals
		*at = desk{}
		b.state(at, r.Request)
		return
	}
	switch body := r.Event.Body.(type) {
	case event.TurnPrepared:
		at.doing = "asks the model"
	case event.ModelAnswered:
		at.tokens += body.Usage.InputTokens + body.Usage.OutputTokens
	case event.ToolCallStarted:
		at.doing = cli.OneLine(body.Name + " " + body.Arguments)
		b.detail(r.Request, "calls", at.doing)
	case event.ApprovalDecided:
		b.detail(r.Request, map[bool]string{true: "approved", false: "denied"}[body.Approved], string(body.Call))
	case event.Notice:
		b.line(r.Request, "notice", body.Text)
	case event.Restarted:
		b.line(r.Request, "again", body.Error)
	}
}

// state tells of a request's new state.
func (b *Board) state(at *desk, r queue.Request) {
	switch r.State {
	case queue.Running:
		*at = desk{request: r.ID, doing: "begins"}
		b.detail(r, "begins", r.Text)
	case queue.Waiting:
		b.detail(r, "waits", "for a worker")
	case queue.Asking:
		for _, p := range r.Pending {
			b.line(r, "asks", p.ToolCall.Name+" "+p.ToolCall.Arguments)
		}
	case queue.Done, queue.Failed:
		b.line(r, string(r.State), r.Note)
	}
}

// Print shows a line about all of it.
func (b *Board) Print(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.print(cli.OneLine(text))
}

// line tells of a request.
func (b *Board) line(r queue.Request, what, text string) {
	b.print(fmt.Sprintf("%4d  %-8s  %s", r.ID, what, cli.OneLine(text)))
}

// detail is a line that only those read who do not see the workers.
func (b *Board) detail(r queue.Request, what, text string) {
	if b.size == nil {
		b.line(r, what, text)
	}
}

func (b *Board) print(line string) {
	if b.size == nil {
		_, _ = io.WriteString(b.out, line+"\n")
		return
	}
	b.above = append(b.above, line)
}

// The terminal's own language. Between two frames it is as it was: however this
// program ends, it leaves nothing behind.
const (
	takeOver  = "\x1b[?25l\x1b[?7l" // no cursor, and lines that are too long do not wrap
	giveBack  = "\x1b[?7h\x1b[?25h"
	clearLine = "\x1b[K" // from the cursor on
	clearRest = "\x1b[J" // of the screen
)

// draw brings the terminal up to date, in one write.
func (b *Board) draw() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.write(b.lines())
}

// write puts the lines that are over, and these, in the place of those drawn
// before.
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
	// A line that is cut leaves the last column free: there the cursor would stand
	// on the text that is to stay.
	for _, line := range append(b.above, lines...) {
		to.WriteString(cut(line, width-1) + clearLine + "\n")
	}
	to.WriteString(clearRest + giveBack)
	b.above, b.drawn, b.shown = nil, len(lines), frame
	_, _ = b.out.Write(to.Bytes())
}

// lines are what is drawn in place.
func (b *Board) lines() []string {
	_, height := b.size()
	shown := min(len(b.desks), max(height-4, 1))
	lines := []string{""}
	for n, at := range b.desks[:shown] {
		who := fmt.Sprintf("  worker %d  ", n+1)
		if at.request == 0 {
			lines = append(lines, who+"   -  idle")
			continue
		}
		lines = append(lines, fmt.Sprintf("%s%4d  %s", who, at.request, at.doing))
	}
	if more := len(b.desks) - shown; more > 0 {
		lines = append(lines, fmt.Sprintf("  and %d more", more))
	}
	return append(lines, "  "+b.summary())
}

func (b *Board) summary() string {
	t := b.totals
	tokens := t.Tokens
	for _, at := range b.desks {
		tokens += at.tokens
	}
	return fmt.Sprintf("%d done, %d running, %d waiting, %d asking, %d failed · %d tokens · %s",
		t.Done, t.Running, t.Waiting, t.Asking, t.Failed, tokens, time.Since(b.began).Truncate(time.Second))
}

// cut makes a line fit.
func cut(line string, width int) string {
	runes := []rune(line)
	if width < 1 || len(runes) <= width {
		return line
	}
	return string(runes[:width-1]) + "…"
}
