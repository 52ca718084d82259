package scenario

import (
	"context"
	"errors"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// LookArgs are the arguments of the tool look.
type LookArgs struct {
	Order   string `json:"order"`
	Seconds int    `json:"seconds,omitempty"`
}

// RefundArgs are the arguments of the tool refund.
type RefundArgs struct {
	Order string `json:"order"`
	Cents int    `json:"cents" jsonschema:"minimum=1"`
	Note  any    `json:"note,omitempty"`
}

// Wait waits for the given number of seconds. If ctx ends first, Wait returns its
// cause.
func Wait(ctx context.Context, seconds int) error {
	select {
	case <-time.After(time.Duration(seconds) * time.Second):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Desk returns an agent whose tools take their time and fail in every way.
func Desk() *agent.Agent {
	made := func(t tool.Tool, err error) tool.Tool { return tool.Must(t, err) }
	return &agent.Agent{
		Name:         "desk",
		Instructions: "You help customers.\n\nBe brief.",
		Tools: []tool.Tool{
			made(tool.New("look", "Looks up an order.", func(ctx context.Context, in LookArgs) (map[string]any, error) {
				return map[string]any{"order": in.Order, "state": "sent"}, Wait(ctx, in.Seconds)
			})),
			made(tool.New("refund", "Refunds an order.", func(ctx context.Context, in RefundArgs) (string, error) {
				if in.Order == "W0" {
					return "", errors.New("no order W0")
				}
				return "Refunded.", Wait(ctx, 3)
			}, tool.Timeout(10*time.Second))),
			made(tool.New("again", "Wants to be called in another way.", func(context.Context, struct{}) (string, error) {
				return "", tool.Retry("Ask the customer first.")
			})),
			made(tool.New("break_down", "Panics.", func(context.Context, struct{}) (string, error) { panic("oh") })),
			made(tool.New("hide", "Fails and does not say why.", func(context.Context, struct{}) (string, error) {
				return "", tool.Hide(errors.New("the database at 127.0.0.1:40123 is down"))
			})),
			made(tool.New("sleep", "Takes too long.", func(ctx context.Context, _ struct{}) (string, error) {
				return "", Wait(ctx, 60)
			}, tool.Timeout(time.Second))),
			made(tool.New("show", "Shows pictures.", func(context.Context, struct{}) (llm.Parts, error) {
				return llm.Parts{
					llm.Text{Text: "Two."},
					llm.Image{Data: []byte("\x89PNG\r\n\x1a\n and more")},
					llm.Image{URL: "data:image/png;base64,AAAA"}, llm.Image{URL: "https://example.com/a.png"},
					llm.Audio{Data: []byte("la"), Format: "wav", Transcript: "La."},
					llm.File{Name: "a b.pdf", MediaType: "application/pdf", Data: []byte("%PDF")}, llm.File{ID: "file-1"},
				}, nil
			})),
			made(tool.New("key", "Says what the call is named.", func(ctx context.Context, _ struct{}) (string, error) {
				c := tool.CallFrom(ctx)
				return c.ID + " is " + c.Key, nil
			})),
			made(tool.New("abort", "Ends the run.", func(context.Context, struct{}) (string, error) {
				return "", tool.Abort(errors.New("the shop is closed"))
			})),
		},
	}
}
