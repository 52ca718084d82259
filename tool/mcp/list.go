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
	"sync/atomic"

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
	partial error       // why there may be more
	told    atomic.Bool // that it is a part
}

// offered returns the definitions; they are the caller's.
func (l *list) offered() []Definition {
	defs := slices.Clone(l.defs)
	for i := range defs {
		defs[i].Schema, defs[i].Output = slices.Clone(defs[i].Schema), slices.Clone(defs[i].Output)
	}
	return defs
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
	err := b.fetch(ctx, lv.session)
	if err != nil && b.pages == 0 {
		return nil, err
	}
	b.list.partial = l.secrets.err(err)
	if err != nil {
		l.diary.write(slog.LevelWarn, "mcp server lists a part of its tools", err.Error())
	}
	return b.list, nil
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
}

func (b *builder) fetch(ctx context.Context, session *sdk.ClientSession) error {
	b.names = map[string]bool{}
	cursors := map[[sha256.Size]byte]bool{} // their digests: a cursor may be long
	for cursor := ""; ; b.pages++ {
		if b.pages == maxPages {
			return fmt.Errorf("the server's list of tools has more than %d pages", maxPages)
		}
		page, err := session.ListTools(ctx, &sdk.ListToolsParams{Cursor: cursor})
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if err := b.page(page); err != nil {
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

// page takes the tools of one page that the SDK accepts, too.
func (b *builder) page(page *sdk.ListToolsResult) error {
	var raw struct {
		Tools json.RawMessage `json:"tools"`
	}
	_ = json.Unmarshal(carried(page.Meta), &raw) // what is no list is an empty one
	delete(page.Meta, rawKey)                    // the SDK keeps the page
	accepted := make(map[string]bool, len(page.Tools))
	for _, t := range page.Tools {
		accepted[t.Name] = true
	}
	for _, text := range elements(raw.Tools) {
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
		if err == nil {
			err = b.take(d, len(text))
		}
		if err != nil {
			b.leaveOut(d.Name, err)
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
	changed := b.link.isChanged(d)
	switch b.bytes += size; {
	case !b.link.server.allows(d.Name):
		return errors.New("it is not among those that Allow and Deny let pass")
	case b.bytes > maxDefinitions:
		return fmt.Errorf("the server's definitions have more than %d bytes", maxDefinitions)
	case changed && b.link.server.Changed == Drop:
		return errors.New("its definition has changed")
	case b.names[d.Tool]:
		return fmt.Errorf("another tool is offered as %s", d.Tool)
	}
	t, err := b.link.tool(d, changed)
	if err != nil {
		return err
	}
	b.names[d.Tool] = true
	b.list.tools, b.list.defs = append(b.list.tools, t), append(b.list.defs, d)
	return nil
}

func (b *builder) leaveOut(name string, reason error) {
	if len(b.list.leftOut) < maxLeftOut {
		b.list.leftOut = append(b.list.leftOut, LeftOut{line(name, 128), line(reason.Error(), maxErrorText)})
	}
}

// isChanged reports whether a definition is not the known one. Without Server.Known
// the first is.
func (l *link) isChanged(d Definition) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.known[d.Name]
	if !ok && l.server.Known == nil && len(l.known) < maxKnown {
		l.known[d.Name] = d.Fingerprint
		return false
	}
	return known != d.Fingerprint
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
	return isOfOneRequest(err) && answer.Code != codeRejected
}

// isOfOneRequest reports whether an error leaves the connection as it was.
func isOfOneRequest(err error) bool {
	_, ok := errors.AsType[*jsonrpc.Error](err)
	return ok && !errors.Is(err, sdk.ErrConnectionClosed)
}
