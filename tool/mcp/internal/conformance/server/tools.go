//lint:file-ignore SA1019 the suite tests what the protocol has given up, too

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"log"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// tools returns the tools that are Go functions. Two of them change server.
func tools(server *sdk.Server) []tool.Tool {
	return []tool.Tool{
		plain("test_simple_text", func(context.Context) (string, error) { return "This is a simple text response for testing.", nil }),
		plain("test_image_content", func(context.Context) (llm.Image, error) { return picture(), nil }),
		plain("test_audio_content", func(context.Context) (llm.Audio, error) { return silence(), nil }),
		plain("test_embedded_resource", func(context.Context) (llm.File, error) { return note(), nil }),
		plain("test_multiple_content_types", func(context.Context) (llm.Parts, error) {
			return llm.Parts{llm.Text{Text: "Multiple content types test:"}, picture(), note()}, nil
		}),
		plain("test_error_handling", func(context.Context) (string, error) {
			return "", errors.New("this tool intentionally returns an error for testing")
		}),
		plain("test_tool_with_progress", progressing),
		plain("test_tool_with_logging", logging),
		plain("test_logging_tool", func(ctx context.Context) (string, error) { return "Logged, if you asked for it.", tell(ctx, "once") }),
		plain("test_streaming_elicitation", func(context.Context) (string, error) { return "A stream has no requests in it.", nil }),
		made(tool.New("test_sampling", "Asks the client's model.", sample)),
		made(tool.New("test_elicitation", "Asks the client's user.", func(ctx context.Context, in elicitArgs) (string, error) {
			return elicit(ctx, in.Message, `{"type":"object","properties":{"username":{"type":"string"},"email":{"type":"string"}},"required":["username","email"]}`)
		})),
		plain("test_elicitation_sep1034_defaults", func(ctx context.Context) (string, error) { return elicit(ctx, "Check these.", defaultsSchema) }),
		plain("test_elicitation_sep1330_enums", func(ctx context.Context) (string, error) { return elicit(ctx, "Choose.", enumsSchema) }),
		raw("json_schema_2020_12_tool", dialectSchema),
		raw("test_x_mcp_header", `{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"level":{"type":"integer"}}}`),
		plain("test_trigger_tool_change", func(context.Context) (string, error) {
			return "Changed.", mcp.AddTools(server, plain("transient", func(context.Context) (string, error) { return "", nil }))
		}),
		plain("test_trigger_prompt_change", func(context.Context) (string, error) {
			server.AddPrompt(&sdk.Prompt{Name: "transient", Description: "For the suite."}, answer("Gone soon."))
			return "Changed.", nil
		}),
	}
}

func made(t tool.Tool, err error) tool.Tool {
	if err != nil {
		log.Fatal(err)
	}
	return t
}

// plain makes a tool without arguments.
func plain[Out any](name string, fn func(context.Context) (Out, error)) tool.Tool {
	return made(tool.New(name, "For the suite.", func(ctx context.Context, _ struct{}) (Out, error) { return fn(ctx) }))
}

// raw makes a tool with a given schema. It returns its arguments.
func raw(name, schema string) tool.Tool {
	return made(tool.NewRaw(name, "For the suite.", json.RawMessage(schema), func(_ context.Context, args json.RawMessage) (string, error) {
		return "Called with " + string(args), nil
	}))
}

func picture() llm.Image {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		log.Fatal(err)
	}
	return llm.Image{Data: b.Bytes()}
}

// silence is a WAV file without samples.
func silence() llm.Audio {
	b := []byte("RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00")
	b = binary.LittleEndian.AppendUint32(b, 8000)  // samples per second
	b = binary.LittleEndian.AppendUint32(b, 16000) // bytes per second
	return llm.Audio{Data: append(b, "\x02\x00\x10\x00data\x00\x00\x00\x00"...), Format: "wav"}
}

func note() llm.File {
	return llm.File{Name: "note.txt", MediaType: "text/plain", Data: []byte("This is an embedded resource content.")}
}

// pause is long enough for a client to receive two messages separately.
func pause(ctx context.Context) error {
	select {
	case <-time.After(50 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func progressing(ctx context.Context) (string, error) {
	for done := 0.0; done <= 100; done += 50 {
		tool.CallFrom(ctx).Progress(done, 100, fmt.Sprintf("%v of 100", done))
		if err := pause(ctx); err != nil {
			return "", err
		}
	}
	return "Done.", nil
}

func tell(ctx context.Context, text string) error {
	return mcp.SessionFrom(ctx).Log(ctx, &sdk.LoggingMessageParams{Level: "info", Data: text})
}

func logging(ctx context.Context) (string, error) {
	for _, text := range []string{"Tool execution started", "Tool processing data", "Tool execution completed"} {
		if err := errors.Join(tell(ctx, text), pause(ctx)); err != nil {
			return "", err
		}
	}
	return "Logged.", nil
}

type sampleArgs struct {
	Prompt string `json:"prompt"`
}

func sample(ctx context.Context, in sampleArgs) (string, error) {
	res, err := mcp.SessionFrom(ctx).CreateMessage(ctx, &sdk.CreateMessageParams{
		MaxTokens: 100,
		Messages:  []*sdk.SamplingMessage{{Role: "user", Content: &sdk.TextContent{Text: in.Prompt}}},
	})
	if err != nil {
		return "", err
	}
	text, ok := res.Content.(*sdk.TextContent)
	if !ok {
		return "", fmt.Errorf("the model answered with %T", res.Content)
	}
	return "LLM response: " + text.Text, nil
}

type elicitArgs struct {
	Message string `json:"message"`
}

func elicit(ctx context.Context, message, schema string) (string, error) {
	res, err := mcp.SessionFrom(ctx).Elicit(ctx, &sdk.ElicitParams{Message: message, RequestedSchema: json.RawMessage(schema)})
	if err != nil {
		return "", err
	}
	content, err := json.Marshal(res.Content)
	return fmt.Sprintf("Elicitation completed: action=%s, content=%s", res.Action, content), err
}
