package tool_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A tool returns a picture beside text. Whether a model can see the picture depends
// on the provider: see openai.Profile.ToolImages.
func Example_imageResult() {
	chart := tool.Must(tool.New("chart", "Draws a chart.", func(context.Context, struct{}) (llm.Parts, error) {
		png := []byte("\x89PNG\r\n\x1a\n…")
		return llm.Parts{
			llm.Text{Text: "Sales of 2026:"},
			llm.Image{Data: png, MediaType: "image/png"},
		}, nil
	}))
	parts, err := chart.Call(context.Background(), json.RawMessage(`{}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range parts {
		switch p := p.(type) {
		case llm.Text:
			fmt.Println(p.Text)
		case llm.Image:
			fmt.Println(p.MediaType, len(p.Data), "bytes")
		}
	}
	// Output:
	// Sales of 2026:
	// image/png 11 bytes
}
