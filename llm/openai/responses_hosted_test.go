package openai_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// hostedAnswer is the output of an answer with items of tools that the provider ran,
// written with white space and numbers that encoding/json would change.
var hostedAnswer = []string{
	`{"id":"rs_1","type":"reasoning","summary":[],"encrypted_content":"abc"}`,
	`{"id":"ws_1", "type":"web_search_call","status":"completed","action":{"type":"search","query":"<q> & q"}}`,
	`{"id":"fs_1","type":"file_search_call","status":"completed","queries":["q"],"results":[{"file_id":"file_1","score":1.0}]}`,
	`{"id":"ci_1","type":"code_interpreter_call","status":"completed","code":"print(1)","container_id":"cntr_1","outputs":null}`,
	`{"id":"mcpl_1","type":"mcp_list_tools","server_label":"docs","tools":[{"name":"ask","input_schema":{"type":"object"},"annotations":null}]}`,
	`{"id":"mcp_1","type":"mcp_call","status":"completed","server_label":"docs","name":"ask","arguments":"{\"n\":1e2}","output":"é","error":null}`,
	`{"id":"x_1","type":"acme:thing","n":1.50}`,
	`{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hi","annotations":[]}]}`,
	`{"id":"ws_2","type":"web_search_call","status":"completed","action":{"type":"open_page","url":"https://a.example"}}`,
	`{"id":"fc_1","type":"function_call","status":"completed","call_id":"call_1","name":"f","arguments":"{}"}`,
}

// wholeAnswer returns the items as a document, and as a stream.
func wholeAnswer(stream bool, items []string) *wire {
	response := `{"id":"resp_1","status":"completed","output":[` + strings.Join(items, ",") + `]}`
	if !stream {
		return &wire{body: response}
	}
	var all []string
	for i, item := range items {
		all = append(all, fmt.Sprintf(`{"type":"response.output_item.done","output_index":%d,"item":%s}`, i, item))
	}
	return eventsOf(append(all, `{"type":"response.completed","response":{"id":"resp_1","status":"completed","output":[]}}`)...)
}

// TestResponsesHostedItems: items of hosted tools stay in the message, byte for byte
// and in their place, also through JSON, and go back to the endpoint that sent them.
// Another endpoint and Chat Completions get the text and the calls alone.
func TestResponsesHostedItems(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		w := wholeAnswer(stream, hostedAnswer)
		c := w.config()
		c.API = openai.APIResponses
		req := &llm.Request{Messages: []llm.Message{llm.User("hi")}, Tools: []llm.ToolDef{{Name: "f"}}, Stream: stream}
		resp, err := c.Model("m").Generate(t.Context(), req, nil)
		require.NoError(t, err)
		require.Equal(t, llm.FinishToolCalls, resp.Finish.Reason)
		require.Len(t, resp.Message.Parts, 2, "hosted items are no parts")

		kept, err := json.Marshal(resp.Message)
		require.NoError(t, err)
		var answer llm.Message
		require.NoError(t, json.Unmarshal(kept, &answer))
		result := llm.Message{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "call_1", Name: "f", Parts: llm.Parts{llm.Text{Text: "done"}}}}}
		req.Messages = append(req.Messages, answer, result)
		next := func(base string, api openai.API) string {
			p := &picky{answer: eitherAPI}
			c := openai.Config{BaseURL: base, Key: "k", API: api, HTTPClient: &http.Client{Transport: p}}
			_, err := c.Model("m").Generate(t.Context(), req, nil)
			require.NoError(t, err)
			return p.bodies[0]
		}
		want := append([]string{`{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]}`}, hostedAnswer...)
		want[8] = `{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hi"}]}`
		want[10] = `{"type":"function_call","call_id":"call_1","name":"f","arguments":"{}"}`
		want = append(want, `{"type":"function_call_output","call_id":"call_1","output":"done"}`)
		require.Contains(t, next("http://provider.test/v1", openai.APIResponses), `"input":[`+strings.Join(want, ",")+`]`)
		for _, body := range []string{next("http://other.test/v1", openai.APIResponses), next("http://provider.test/v1", openai.APIChat)} {
			for _, typ := range []string{"web_search_call", "file_search_call", "code_interpreter_call", "mcp_", "acme:thing", "encrypted_content\":"} {
				require.NotContains(t, body, typ)
			}
			require.Contains(t, body, `"call_1"`)
		}
	}
}
