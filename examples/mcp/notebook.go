package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-916e8f6a/toolloop/tool"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// The tools are ordinary Go functions. They do not depend on MCP.

// A notebook lives as long as the server.
type notebook struct {
	mu      sync.Mutex
	entries []string
}

func newNotebook() *notebook {
	return &notebook{entries: []string{
		"The ferry from Lisbon to Cacilhas leaves every 20 minutes.",
		"In Lisbon the the tram 28 is full: walk up before nine.",
		"Ada brings the tickets for the concert",
	}}
}

type aboutArgs struct {
	About string `json:"about" jsonschema:"minLength=1" jsonschema_description:"A word that the entries have"`
}

func (in aboutArgs) match(entry string) bool {
	return strings.Contains(strings.ToLower(entry), strings.ToLower(in.About))
}

type found struct {
	Entries []string `json:"entries"`
	Of      int      `json:"of"` // the number of entries
}

func (b *notebook) find(_ context.Context, in aboutArgs) (found, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := found{Entries: []string{}, Of: len(b.entries)}
	for _, e := range b.entries {
		if in.match(e) {
			f.Entries = append(f.Entries, e)
		}
	}
	return f, nil
}

type addArgs struct {
	Text string `json:"text" jsonschema:"minLength=1,maxLength=500"`
}

func (b *notebook) add(_ context.Context, in addArgs) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.Contains(b.entries, in.Text) { // the model reads this error
		return "", errors.New("the entry exists already")
	}
	b.entries = append(b.entries, in.Text)
	return fmt.Sprintf("This is entry %d.", len(b.entries)), nil
}

func (b *notebook) delete(_ context.Context, in aboutArgs) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := len(b.entries)
	b.entries = slices.DeleteFunc(b.entries, in.match)
	return fmt.Sprintf("%d of %d entries were deleted.", before-len(b.entries), before), nil
}

// proofread is slow, so that a user can see the progress.
func (b *notebook) proofread(ctx context.Context, _ struct{}) ([]string, error) {
	b.mu.Lock()
	entries := slices.Clone(b.entries)
	b.mu.Unlock()
	faults := []string{}
	for i, e := range entries {
		tool.CallFrom(ctx).Progress(float64(i+1), float64(len(entries)), "reading")
		select {
		case <-time.After(250 * time.Millisecond):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		for _, fault := range faultsOf(e) {
			faults = append(faults, fmt.Sprintf("entry %d: %s", i+1, fault))
		}
	}
	return faults, nil
}

func faultsOf(entry string) (faults []string) {
	words := strings.Fields(entry)
	for i := 1; i < len(words); i++ {
		if strings.EqualFold(words[i-1], words[i]) {
			faults = append(faults, words[i]+" is there twice")
		}
	}
	if !strings.HasSuffix(entry, ".") {
		faults = append(faults, "the full stop is missing")
	}
	return faults
}

// newServer offers the tools to MCP clients.
func newServer() (*sdk.Server, error) {
	b := newNotebook()
	server := sdk.NewServer(&sdk.Implementation{Name: "notebook", Version: "v0.1.0"}, nil)
	err := mcp.AddAnnotated(server, hints(),
		tool.Must(tool.New("find", "Finds the entries about something.", b.find)),
		tool.Must(tool.New("add", "Writes something down.", b.add)),
		tool.Must(tool.New("delete", "Deletes the entries about something.", b.delete)),
		tool.Must(tool.New("proofread", "Looks for slips of the pen in all entries.", b.proofread)),
	)
	return server, err
}

// hints are annotations. Clients use the hints to decide whether a call needs
// approval.
func hints() map[string]*sdk.ToolAnnotations {
	return map[string]*sdk.ToolAnnotations{
		"find":      {ReadOnlyHint: true, OpenWorldHint: new(false)},
		"add":       {DestructiveHint: new(false), OpenWorldHint: new(false)},
		"delete":    {DestructiveHint: new(true), IdempotentHint: true, OpenWorldHint: new(false)},
		"proofread": {ReadOnlyHint: true, OpenWorldHint: new(false)},
	}
}
