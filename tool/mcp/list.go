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

// A list is the immutable result of one listing.
type list struct {
	tools        []tool.Tool
	defs         []Definition
	fingerprints map[string]string // of all readable definitions, by the server's names
	leftOut      []LeftOut
	partial      error  // why the list may be incomplete
	changed      string // a summary of changed definitions; "" means no changes
}

// offered returns a copy of the definitions.
func (l *list) offered() []Definition {
	defs := slices.Clone(l.defs)
	for i := range defs {
		defs[i] = defs[i].clone()
	}
	return defs
}

// omitted returns a copy of the tools that are left out.
func (l *list) omitted() []LeftOut {
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
	maxText        = 16 << 20 // of a list, in bytes
	maxKnown       = 5 * maxListed
)

var errRepeats = errors.New("the server's list of tools does not end: it repeats a cursor")

// fetch lists the tools. If a later page fails, it keeps the earlier pages.
func (l *link) fetch(ctx context.Context, conn *connection) (*list, error) {
	b := &listBuilder{link: l, list: &list{fingerprints: map[string]string{}}}
	err := b.fetch(ctx, conn)
	if err != nil && b.pages == 0 {
		return nil, err
	}
	b.list.partial = l.secrets.err(err)
	if err != nil {
		l.log.write(slog.LevelWarn, "mcp server lists only a part of its tools", err.Error())
	}
	if b.list.changed = b.changeSummary(); b.list.changed != "" && b.list.changed != l.lastChangeSummary() {
		l.log.write(slog.LevelWarn, "mcp server has changed tools", b.list.changed)
	}
	return b.list, nil
}

// lastChangeSummary returns the change summary of the last list.
func (l *link) lastChangeSummary() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.list == nil {
		return ""
	}
	return l.list.changed
}

// A listBuilder builds a list from a server's pages.
type listBuilder struct {
	link  *link
	list  *list
	pages int
	count int             // tools that were read
	text  int             // bytes that were read
	bytes int             // bytes of tools that may be offered
	names map[string]bool // names that the model sees

	changed []string // changed tools, each with the reason
}

func (b *listBuilder) fetch(ctx context.Context, conn *connection) error {
	b.names = map[string]bool{}
	cursors := map[[sha256.Size]byte]bool{} // digests, because a cursor may be long
	for cursor := ""; ; b.pages++ {
		if b.pages == maxPages {
			return fmt.Errorf("the server's list of tools has more than %d pages", maxPages)
		}
		sent := new(delivery)
		var page *sdk.ListToolsResult
		err := conn.request(ctx, sent, func(ctx context.Context) (err error) {
			page, err = conn.session.ListTools(ctx, &sdk.ListToolsParams{Cursor: cursor})
			return err
		})
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return sent.explain(err)
		}
		if err := b.page(page, conn.noTasks); err != nil {
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

// page adds the tools of one page, except tools rejected by the SDK. If noTasks is not
// nil, it is the reason why tools that run as tasks are left out.
func (b *listBuilder) page(page *sdk.ListToolsResult, noTasks error) error {
	var listed json.RawMessage
	_ = fields{"tools": &listed}.decode(rawResult(page.Meta)) // a value that is not a list counts as empty
	delete(page.Meta, rawKey)                                 // the SDK caches the page, so save memory
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
			err = b.add(d, len(text))
		}
		if err != nil {
			b.leaveOut(d, err)
		}
	}
	return nil
}

// add offers a tool, or returns the reason why the tool is left out.
func (b *listBuilder) add(d Definition, size int) error {
	if _, twice := b.list.fingerprints[d.Name]; twice {
		return errors.New("the server has two tools of this name")
	}
	b.list.fingerprints[d.Name] = d.Fingerprint
	news := b.link.compare(d)
	switch b.bytes += size; {
	case !b.link.server.allows(d.Name):
		return errors.New("excluded by Allow or Deny")
	case b.bytes > maxDefinitions:
		return fmt.Errorf("the server's definitions have more than %d bytes", maxDefinitions)
	case news != nil && b.link.server.Changed == Drop:
		b.noteChange(d, news)
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
		b.noteChange(d, news)
	}
	b.names[d.Tool] = true
	b.list.tools, b.list.defs = append(b.list.tools, t), append(b.list.defs, d)
	return nil
}

// leaveOut records a tool that is not offered. The definition is kept if the tool is
// left out because the definition has changed.
func (b *listBuilder) leaveOut(d Definition, reason error) {
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
	errUnknown = errors.New("it is not a known tool")
)

// compare returns nil if a definition is the known one, else the reason. Without
// Server.Known, the first definition of a tool becomes the known one.
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

// maxNamed is how many tools a summary names.
const maxNamed = 10

func (b *listBuilder) noteChange(d Definition, news error) {
	b.changed = append(b.changed, fmt.Sprintf("%q (%v)", line(d.Name, 64), news))
}

// changeSummary describes the tools whose definitions have changed.
func (b *listBuilder) changeSummary() string {
	if len(b.changed) == 0 {
		return ""
	}
	what := "changed tools, whose calls wait for approval: "
	if b.link.server.Changed == Drop {
		what = "changed tools, which are left out: "
	}
	what += strings.Join(b.changed[:min(len(b.changed), maxNamed)], ", ")
	if more := len(b.changed) - maxNamed; more > 0 {
		what += fmt.Sprintf(" and %d more", more)
	}
	return what
}

func (s Server) allows(name string) bool {
	matches := func(pattern string) bool {
		ok, _ := path.Match(pattern, name) // cannot fail: Open has checked the pattern
		return ok
	}
	return (len(s.Allow) == 0 || slices.ContainsFunc(s.Allow, matches)) && !slices.ContainsFunc(s.Deny, matches)
}

// isServerError reports whether err is an error that the server returned.
func isServerError(err error) bool {
	answer, _ := errors.AsType[*jsonrpc.Error](err)
	return isOfOneRequest(err) && answer.Code != codeRejected && answer.Code != codeInvalidResponse
}

// isOfOneRequest reports whether only this request failed, and the connection still
// works.
func isOfOneRequest(err error) bool {
	_, ok := errors.AsType[*jsonrpc.Error](err)
	return ok && !errors.Is(err, sdk.ErrConnectionClosed)
}
