package mcp

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// A list is what a server offered at a time. It is not changed.
type list struct {
	tools   []tool.Tool
	defs    []Definition
	marks   map[string]string // fingerprints of all that can be read, by the server's names
	leftOut []LeftOut
	partial error  // why there may be more
	changed string // what to tell of definitions that are not the known ones; "": nothing
}

// offered returns the definitions; they are the caller's.
func (l *list) offered() []Definition {
	defs := slices.Clone(l.defs)
	for i := range defs {
		defs[i] = defs[i].clone()
	}
	return defs
}

// others returns what is not offered; it is the caller's.
func (l *list) others() []LeftOut {
	all := slices.Clone(l.leftOut)
	for i := range all {
		if d := all[i].Definition; d != nil {
			all[i].Definition = new(d.clone())
		}
	}
	return all
}

const (
	maxPages       = 100
	maxDefinitions = 4 << 20 // of one server, in bytes
	maxLeftOut     = 100
	maxText        = 16 << 20 // of a list that is read, in bytes
	maxKnown       = 5 * maxListed
)

var errRepeats = errors.New("the server's list of tools does not end: it repeats a cursor")

// fetch lists the tools. What there is of a list that does not end well is kept.
func (l *link) fetch(ctx context.Context, lv *live) (*list, error) {
	b := &builder{link: l, list: &list{marks: map[string]string{}}}
	err := b.fetch(ctx, lv)
	if err != nil && b.pages == 0 {
		return nil, err
	}
	b.list.partial = l.secrets.err(err)
	if err != nil {
		l.diary.write(slog.LevelWarn, "mcp server lists a part of its tools", err.Error())
	}
	if b.list.changed = b.tellChanged(); b.list.changed != "" && b.list.changed != l.lastChanged() {
		l.diary.write(slog.LevelWarn, "mcp server has other tools than the known ones", b.list.changed)
	}
	return b.list, nil
}

// lastChanged is what the last list had to tell of changes.
func (l *link) lastChanged() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.list == nil {
		return ""
	}
	return l.list.changed
}

// A builder makes a list of a server's pages.
type builder struct {
	link  *link
	list  *list
	pages int
	count int             // of the tools that were read
	text  int             // of these, in bytes
	bytes int             // of those that could be offered
	names map[string]bool // that the model sees

	changed []string // the tools whose definitions are not the known ones, and why
}

func (b *builder) fetch(ctx context.Context, lv *live) error {
	b.names = map[string]bool{}
	cursors := map[[sha256.Size]byte]bool{} // their digests: a cursor may be long
	for cursor := ""; ; b.pages++ {
		if b.pages == maxPages {
			return fmt.Errorf("the server's list of tools has more than %d pages", maxPages)
		}
		sent := new(sending)
		var page *sdk.ListToolsResult
		err := lv.request(ctx, sent, func(ctx context.Context) (err error) {
			page, err = lv.session.ListTools(ctx, &sdk.ListToolsParams{Cursor: cursor})
			return err
		})
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return sent.explain(err)
		}
		if err := b.page(page, lv.noTasks); err != nil {
			b.pages++
			return err
		}
		cursor = page.NextCursor
		if cursor == "" {
			return nil
		}
		digest := sha256.Sum256([]byte(cursor))
		if cursors[digest] {
			b.pages++
			return errRepeats
		}
		cursors[digest] = true
	}
}

// page takes the tools of one page that the SDK accepts, too. noTasks says why those
// that are called as tasks are left out; nil: they are not.
func (b *builder) page(page *sdk.ListToolsResult, noTasks error) error {
	var listed json.RawMessage
	_ = fields{"tools": &listed}.decode(carried(page.Meta)) // what is no list is an empty one
	delete(page.Meta, rawKey)                               // the SDK keeps the page
	accepted := make(map[string]bool, len(page.Tools))
	for _, t := range page.Tools {
		accepted[t.Name] = true
	}
	for _, text := range elements(listed) {
		b.count++
		b.text += len(text)
		switch {
		case b.count > maxListed:
			return fmt.Errorf("the server lists more than %d tools", maxListed)
		case b.text > maxText:
			return fmt.Errorf("the server lists more than %d bytes of tools", maxText)
		}
		if limit := b.link.server.MaxTools; limit != -1 && len(b.list.tools) >= limit {
			return fmt.Errorf("the server has more than %d tools; the others are left out", limit)
		}
		d, err := b.link.server.define(text)
		if err == nil && !accepted[d.Name] {
			err = errors.New("its definition breaks a rule of the protocol")
		}
		if err == nil && d.task {
			err = noTasks
		}
		if err == nil {
			err = b.take(d, len(text))
		}
		if err != nil {
			b.leaveOut(d, err)
		}
	}
	return nil
}

// take offers a tool, or says why not.
func (b *builder) take(d Definition, size int) error {
	if _, twice := b.list.marks[d.Name]; twice {
		return errors.New("the server has two tools of this name")
	}
	b.list.marks[d.Name] = d.Fingerprint
	news := b.link.compare(d)
	switch b.bytes += size; {
	case !b.link.server.allows(d.Name):
		return errors.New("it is not among those that Allow and Deny let pass")
	case b.bytes > maxDefinitions:
		return fmt.Errorf("the server's definitions have more than %d bytes", maxDefinitions)
	case news != nil && b.link.server.Changed == Drop:
		b.note(d, news)
		return news
	case b.names[d.Tool]:
		return fmt.Errorf("another tool is offered as %s", d.Tool)
	}
	d.Changed = news != nil
	t, err := b.link.tool(d)
	if err != nil {
		return err
	}
	if d.Changed {
		b.note(d, news)
	}
	b.names[d.Tool] = true
	b.list.tools, b.list.defs = append(b.list.tools, t), append(b.list.defs, d)
	return nil
}

// leaveOut tells of a tool that is not offered. Its definition is kept if that is the
// reason.
func (b *builder) leaveOut(d Definition, reason error) {
	if len(b.list.leftOut) >= maxLeftOut {
		return
	}
	out := LeftOut{Name: line(d.Name, 128), Reason: line(reason.Error(), maxErrorText)}
	if errors.Is(reason, errChanged) || errors.Is(reason, errUnknown) {
		d.Changed = true
		out.Definition = &d
	}
	b.list.leftOut = append(b.list.leftOut, out)
}

var (
	errChanged = errors.New("its definition has changed")
	errUnknown = errors.New("it is not among the known ones")
)

// compare says why a definition is not the known one; nil: it is. Without
// Server.Known the first is.
func (l *link) compare(d Definition) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.known[d.Name]
	switch {
	case !ok && l.server.Known == nil && len(l.known) < maxKnown:
		l.known[d.Name] = d.Fingerprint
		return nil
	case !ok:
		return errUnknown
	case known != d.Fingerprint:
		return errChanged
	}
	return nil
}

// maxTold is how many tools one text names.
const maxTold = 10

func (b *builder) note(d Definition, news error) {
	b.changed = append(b.changed, fmt.Sprintf("%q (%v)", line(d.Name, 64), news))
}

// tellChanged tells of the tools whose definitions are not the known ones.
func (b *builder) tellChanged() string {
	if len(b.changed) == 0 {
		return ""
	}
	what := "changed tools, whose calls wait for approval: "
	if b.link.server.Changed == Drop {
		what = "changed tools, which are left out: "
	}
	what += strings.Join(b.changed[:min(len(b.changed), maxTold)], ", ")
	if more := len(b.changed) - maxTold; more > 0 {
		what += fmt.Sprintf(" and %d more", more)
	}
	return what
}

func (s Server) allows(name string) bool {
	matches := func(pattern string) bool {
		ok, _ := path.Match(pattern, name) // Open has checked it
		return ok
	}
	return (len(s.Allow) == 0 || slices.ContainsFunc(s.Allow, matches)) && !slices.ContainsFunc(s.Deny, matches)
}

// isAnswer reports whether an error is what a server answered.
func isAnswer(err error) bool {
	answer, _ := errors.AsType[*jsonrpc.Error](err)
	return isOfOneRequest(err) && answer.Code != codeRejected && answer.Code != codeNoAnswer
}

// isOfOneRequest reports whether an error leaves the connection as it was.
func isOfOneRequest(err error) bool {
	_, ok := errors.AsType[*jsonrpc.Error](err)
	return ok && !errors.Is(err, sdk.ErrConnectionClosed)
}
