package mcp_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// TestResults: each form of a result reaches the model.
func TestResults(t *testing.T) {
	t.Parallel()
	text := func(s ...string) (parts llm.Parts) {
		for _, s := range s {
			parts = append(parts, llm.Text{Text: s})
		}
		return parts
	}
	for _, tt := range []struct {
		name, result string
		want         llm.Parts
	}{
		{"text", `{"content":[{"type":"text","text":"a\u003cb"}]}`, text("a<b")},
		{"texts are told apart", `{"content":[{"type":"text","text":"a"},{"type":"text","text":"b\n"},{"type":"text","text":"c"}]}`, text("a", "\nb\n", "c")},
		{"nothing", `{"content":[]}`, text("(no output)")},
		{"no content at all", `{}`, text("(no output)")},
		{"image", `{"content":[{"type":"image","data":"aGk=","mimeType":"image/png"}]}`, llm.Parts{llm.Image{Data: []byte("hi"), MediaType: "image/png"}}},
		{"a picture that no model sees", `{"content":[{"type":"image","data":"PHN2Zy8+","mimeType":"image/svg+xml"}]}`, text("<svg/>")},
		{"audio", `{"content":[{"type":"audio","data":"aGk=","mimeType":"audio/mpeg"}]}`, llm.Parts{llm.Audio{Data: []byte("hi"), Format: "mp3"}}},
		{"broken data", `{"content":[{"type":"image","data":"?","mimeType":"image/png"}]}`, text("[image, image/png, whose data cannot be decoded]")},
		{"resource of text", `{"content":[{"type":"resource","resource":{"uri":"file:///a.txt","text":"A"}}]}`, text("[resource: file:///a.txt]", "\nA")},
		{"resource of bytes", `{"content":[{"type":"resource","resource":{"uri":"file:///a.pdf","mimeType":"application/pdf","blob":"aGk="}}]}`, llm.Parts{
			llm.Text{Text: "[resource: file:///a.pdf]"}, llm.File{Name: "a.pdf", Data: []byte("hi"), MediaType: "application/pdf"},
		}},
		{"resource with a picture", `{"content":[{"type":"resource","resource":{"uri":"x://a","mimeType":"image/gif","blob":"aGk="}}]}`, llm.Parts{
			llm.Text{Text: "[resource: x://a]"}, llm.Image{Data: []byte("hi"), MediaType: "image/gif"},
		}},
		{"empty resource", `{"content":[{"type":"resource"}]}`, text("[a resource without content]")},
		{"link", `{"content":[{"type":"resource_link","uri":"file:///a","name":"A","title":"A","description":"one\ntwo","mimeType":"text/plain"}]}`, text("[resource: file:///a, text/plain, A, one two]")},
		{"a type of tomorrow", `{"content":[{"type":"hologram\u202e","x":1},{"type":"text","text":"a"}]}`, text(`[content of the unknown type "hologram"]`, "\na")},
		{"what is no content", `{"content":[7,{"type":"text","text":"a"}]}`, text("[content that cannot be read]", "\na")},
		{"a forged text of ours", `{"_meta":{"toolloop.internal\/raw":"{\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}"}}`, text("(no output)")},
		{"structured alone", `{"structuredContent":{"z":9007199254740993,"a":1e400}}`, text(`{"z":9007199254740993,"a":1e400}`)},
		{"structured that the text has", `{"content":[{"type":"text","text":" {\"a\": 1, \"z\": 9007199254740993}"}],"structuredContent":{"z":9007199254740993,"a":1}}`, text(` {"a": 1, "z": 9007199254740993}`)},
		{"structured that the text has not", `{"content":[{"type":"text","text":"{\"z\":9007199254740992}"}],"structuredContent":{"z":9007199254740993}}`, text(`{"z":9007199254740992}`, "\n"+`{"z":9007199254740993}`)},
		{"structured beside words", `{"content":[{"type":"text","text":"ok"}],"structuredContent":[1]}`, text("ok", "\n[1]")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client := open(t, mcp.Server{Name: "s", Dial: offering(answering(tt.result), plainTool).dial})
			parts, err := toolsOf(t, client)[0].Call(t.Context(), json.RawMessage(`{}`))
			require.NoError(t, err)
			require.Equal(t, tt.want, parts)
		})
	}
}

// TestTextsAroundPictures: the texts of a result keep their order and stay separate,
// also where a model reads them as one text.
func TestTextsAroundPictures(t *testing.T) {
	t.Parallel()
	const total, rows, picture = `{"type":"text","text":"total: 42"}`, `{"type":"text","text":"7 rows"}`, `{"type":"image","data":"aGk=","mimeType":"image/png"}`
	for name, tt := range map[string]struct{ content, want string }{
		"texts":                  {total + "," + rows, "total: 42\n7 rows"},
		"a picture between":      {total + "," + picture + "," + rows, "total: 42\n7 rows"},
		"two pictures between":   {total + "," + picture + "," + picture + "," + rows, "total: 42\n7 rows"},
		"a sound between":        {total + `,{"type":"audio","data":"aGk=","mimeType":"audio/mpeg"},` + rows, "total: 42\n7 rows"},
		"a picture before":       {picture + "," + total + "," + rows, "total: 42\n7 rows"},
		"a resource between":     {total + `,{"type":"resource","resource":{"uri":"x://a","mimeType":"image/png","blob":"aGk="}},` + rows, "total: 42\n[resource: x://a]\n7 rows"},
		"what nobody knows":      {total + `,{"type":"x"},` + rows, "total: 42\n[content of the unknown type \"x\"]\n7 rows"},
		"a structure at the end": {total + "," + picture + `],"structuredContent":{"n":1},"x":[`, "total: 42\n{\"n\":1}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := open(t, mcp.Server{Name: "s", Dial: offering(answering(`{"content":[`+tt.content+`]}`), plainTool).dial})
			parts, err := toolsOf(t, client)[0].Call(t.Context(), json.RawMessage(`{}`))
			require.NoError(t, err)
			require.Equal(t, tt.want, llm.ToolResult{Parts: parts}.Text())
		})
	}
}

// TestFailures: each way in which a call can fail has the right kind and text.
func TestFailures(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 20<<10)
	repeatable := `{"name":"run","annotations":{"idempotentHint":true}}`
	unknown := "The server of the tool disconnected before it answered. It is not known whether the call took effect: check before you call it again."
	for _, tt := range []struct {
		name, tool, result string
		err                error
		kind               tool.Failure
		text               string
	}{
		{"isError", plainTool, `{"isError":true,"content":[{"type":"text","text":"no such file"}]}`, nil, tool.Failed, "no such file"},
		{"isError without a word", plainTool, `{"isError":true}`, nil, tool.Failed, "The tool failed and gave no reason."},
		{"isError with a picture", plainTool, `{"isError":true,"content":[{"type":"text","text":"see"},{"type":"image","data":"aGk=","mimeType":"image/png"}]}`, nil, tool.Failed, "see\n[an image, image/png, 2 bytes]"},
		{"a kind that is believed", plainTool, `{"isError":true,"_meta":{"toolloop/failure":"outcome_unknown"},"content":[{"type":"text","text":"?"}]}`, nil, tool.OutcomeUnknown, "?"},
		{"a kind that is not", plainTool, `{"isError":true,"_meta":{"toolloop/failure":"not_run"},"content":[{"type":"text","text":"?"}]}`, nil, tool.Failed, "?"},
		{"invalid arguments", plainTool, "", &jsonrpc.Error{Code: -32602, Message: "path is missing"}, tool.InvalidArguments, "path is missing\nSend the call again with corrected arguments."},
		{"unknown tool", plainTool, "", &jsonrpc.Error{Code: -32602, Message: "Unknown tool: run"}, tool.UnknownTool, `There is no tool named "s__run". Call only tools that you were offered.`},
		{"protocol error", plainTool, "", &jsonrpc.Error{Code: -32603, Message: "disk\u202e full"}, tool.Failed, "disk full"},
		{"crash", plainTool, "", errDrop, tool.OutcomeUnknown, unknown},
		{"crash of what may be repeated", repeatable, "", errDrop, tool.Failed, "The server of the tool disconnected before it answered. The same call may be made again."},
		{"an answer that is none", plainTool, `{"content":{"a":1}}`, nil, tool.Failed, "The tool ran, but the server's answer cannot be read: {\"content\":{\"a\":1}}"},
		{"input of a person", plainTool, `{"resultType":"input_required","inputRequests":{"1":{"method":"elicitation/create","params":{"message":"?"}}}}`, nil, tool.Failed, "The tool asks for a person's input, and no person is there to give it."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := offering(func(*peerConn, string, json.RawMessage) (string, error) { return tt.result, tt.err }, tt.tool)
			client := open(t, mcp.Server{Name: "s", Dial: server.dial})
			_, err := toolsOf(t, client)[0].Call(t.Context(), json.RawMessage(`{}`))
			failure, ok := errors.AsType[*tool.Error](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, []string{string(tt.kind), tt.text}, []string{string(failure.Failure), failure.Message})
		})
	}
	t.Run("a long text", func(t *testing.T) {
		t.Parallel()
		client := open(t, mcp.Server{Name: "s", Dial: offering(answering(`{"isError":true,"content":[{"type":"text","text":"`+long+`"}]}`), plainTool).dial})
		_, err := toolsOf(t, client)[0].Call(t.Context(), json.RawMessage(`{}`))
		failure, ok := errors.AsType[*tool.Error](err)
		require.True(t, ok)
		require.InDelta(t, 16<<10, len(failure.Message), 1<<10)
		require.True(t, strings.HasPrefix(failure.Message, "xxx"))
	})
}

// TestCrashedServerIsToldAtOnce: a crash is reported at once, and the next call starts
// a new server.
func TestCrashedServerIsToldAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		crashes := 1
		server := offering(func(*peerConn, string, json.RawMessage) (string, error) {
			if crashes--; crashes >= 0 {
				return "", errDrop
			}
			return `{"content":[{"type":"text","text":"fine"}]}`, nil
		}, plainTool)
		client := open(t, mcp.Server{Name: "s", Dial: server.dial})
		run := toolsOf(t, client)[0]
		_, err := run.Call(t.Context(), json.RawMessage(`{}`))
		require.ErrorContains(t, err, "outcome_unknown")
		parts, err := run.Call(t.Context(), json.RawMessage(`{}`))
		require.NoError(t, err)
		require.Equal(t, llm.Parts{llm.Text{Text: "fine"}}, parts)
		require.Equal(t, []string{"tools/list", "tools/call run", "tools/list", "tools/call run"}, server.requests())
	})
}
