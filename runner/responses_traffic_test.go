package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// leastResponsesSessions is the number of sessions that the test needs at least.
const leastResponsesSessions = 142

// TestResponsesSessions walks recorded conversations over the Responses API from
// start to final text: the providers' bytes over HTTP, the recorded tools, and each
// request compared with what the answers so far demand.
func TestResponsesSessions(t *testing.T) {
	t.Parallel()
	dir := recordingsDir(t, "responses", "TOOLLOOP_RESPONSES")
	total, replayed := replaySessions(t, dir, func(ctx context.Context, s *replay) error { return responsesReplay{s}.run(ctx) })
	fmt.Printf("responses sessions: %d of %d replayed\n", replayed, total)
	require.GreaterOrEqual(t, total, leastResponsesSessions)
}

// responsesReplay replays a session over the Responses API.
type responsesReplay struct{ session *replay }

func (s responsesReplay) run(ctx context.Context) error {
	s.session.path = "/responses"
	start, err := s.start()
	if err != nil {
		return err
	}
	err = s.session.run(ctx, start.Messages, func(server *httptest.Server) (*agent.Agent, error) {
		tools, err := s.session.tools(responsesTools, s.result)
		model := openai.Config{BaseURL: server.URL, API: openai.APIResponses, Retry: wrap.Retry{Attempts: 1}}.Model("recorded")
		return &agent.Agent{Instructions: start.Instructions, Tools: tools, Model: model}, err
	})
	if err != nil {
		return err
	}
	return s.compare()
}

// start is the conversation that the session begins with.
func (s responsesReplay) start() (*llm.Request, error) {
	var first struct{ Input, Instructions json.RawMessage }
	if err := json.Unmarshal(s.session.turns[0].Request, &first); err != nil {
		return nil, err
	}
	body := map[string]json.RawMessage{"model": json.RawMessage(`"m"`), "input": first.Input}
	if first.Instructions != nil {
		body["instructions"] = first.Instructions
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return llmtest.ParseRequest(raw)
}

// responsesTools returns the functions of a request.
func responsesTools(request []byte) (defs []llm.ToolDef, err error) {
	var req struct {
		Tools []struct {
			Type, Name, Description string
			Parameters              json.RawMessage
		}
	}
	if err := json.Unmarshal(request, &req); err != nil {
		return nil, err
	}
	for _, d := range req.Tools {
		if d.Type == "function" {
			defs = append(defs, llm.ToolDef{Name: d.Name, Description: d.Description, Schema: d.Parameters})
		}
	}
	return defs, nil
}

// result is the recorded result of the call that ctx is for.
func (s responsesReplay) result(ctx context.Context, _ json.RawMessage) (string, error) {
	id := tool.CallFrom(ctx).ID
	for _, r := range s.session.recording.Results {
		if r.ID == id {
			return outputText(r.Output), nil
		}
	}
	return "", fmt.Errorf("the recording has no result for call %q", id)
}

// outputText is an output as text: a string, or its parts joined.
func outputText(output json.RawMessage) string {
	var text string
	if json.Unmarshal(output, &text) == nil {
		return text
	}
	var parts []struct{ Text string }
	if json.Unmarshal(output, &parts) != nil {
		return string(output)
	}
	for _, p := range parts {
		text += p.Text
	}
	return text
}

// An inputItem is an item of a request in the form in which two are compared.
type inputItem struct {
	kind, role, text string
	parts            []any // content that is not text alone
	id, name         string
	arguments        string
}

// compare holds each request of the run against the start and the answers before.
func (s responsesReplay) compare() error {
	want, err := itemsOf(s.session.turns[0].Request)
	if err != nil {
		return err
	}
	for k, body := range s.session.bodies {
		if err := sameInstructions(body, s.session.turns[0].Request); err != nil {
			return fmt.Errorf("request %d: %w", k, err)
		}
		got, err := itemsOf(body)
		if err != nil {
			return fmt.Errorf("request %d: %w", k, err)
		}
		if !reflect.DeepEqual(got, want) {
			return fmt.Errorf("request %d:\n got %+v\nwant %+v", k, got, want)
		}
		if k > 0 {
			if err := s.sameReasoning(body, k); err != nil {
				return fmt.Errorf("request %d: %w", k, err)
			}
		}
		want = s.follow(want, s.session.turns[k])
	}
	return nil
}

// follow adds the answer of a turn and the results of its calls.
func (s responsesReplay) follow(items []inputItem, turn interaction) []inputItem {
	if text := strings.TrimSpace(turn.Want.Text); text != "" {
		items = append(items, inputItem{kind: "message", role: "assistant", text: text})
	}
	var results []inputItem
	for _, c := range turn.Want.Calls {
		args := c.Arguments
		if args == "" {
			args = "{}"
		}
		items = append(items, inputItem{kind: "function_call", id: c.ID, name: c.Name, arguments: args})
		for _, r := range s.session.recording.Results {
			if r.ID == c.ID {
				results = append(results, inputItem{kind: "function_call_output", id: c.ID, text: outputText(r.Output)})
				break
			}
		}
	}
	return append(items, results...)
}

func sameInstructions(got, want []byte) error {
	var g, w struct{ Instructions string }
	if err := errors.Join(json.Unmarshal(got, &g), json.Unmarshal(want, &w)); err != nil {
		return err
	}
	if g != w {
		return fmt.Errorf("instructions %q, want %q", g.Instructions, w.Instructions)
	}
	return nil
}

// itemsOf brings the input of a request into the form in which two are compared.
func itemsOf(body []byte) (items []inputItem, err error) {
	raws, err := rawInput(body)
	if err != nil {
		return nil, err
	}
	for i, raw := range raws {
		it, ok, err := compared(raw)
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
		if !ok {
			continue
		}
		if n := len(items); n > 0 && it.role == "assistant" && items[n-1].role == "assistant" {
			items[n-1].text = strings.TrimSpace(items[n-1].text + it.text)
			continue
		}
		if it.role == "assistant" {
			it.text = strings.TrimSpace(it.text)
		}
		items = append(items, it)
	}
	return items, nil
}

func rawInput(body []byte) (raws []json.RawMessage, err error) {
	var req struct{ Input json.RawMessage }
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, err
	}
	if strings.HasPrefix(string(req.Input), `"`) {
		return []json.RawMessage{json.RawMessage(`{"role":"user","content":` + string(req.Input) + `}`)}, nil
	}
	return raws, json.Unmarshal(req.Input, &raws)
}

// compared reads an item; ok is false for items that are not compared.
func compared(raw []byte) (it inputItem, ok bool, err error) {
	var item struct {
		Type, Role, Name, Arguments string
		CallID                      string `json:"call_id"`
		Content, Output             json.RawMessage
	}
	if err := json.Unmarshal(raw, &item); err != nil {
		return it, false, err
	}
	switch item.Type {
	case "", "message":
		it = inputItem{kind: "message", role: strings.Replace(item.Role, "developer", "system", 1)}
		it.text, it.parts, err = comparedContent(item.Content)
	case "function_call":
		it = inputItem{kind: item.Type, id: item.CallID, name: item.Name, arguments: item.Arguments}
	case "function_call_output":
		it = inputItem{kind: item.Type, id: item.CallID}
		it.text, it.parts, err = comparedContent(item.Output)
	default:
		return it, false, nil
	}
	return it, true, err
}

// comparedContent is text where all is text, and the list of parts otherwise.
func comparedContent(content json.RawMessage) (text string, parts []any, err error) {
	if json.Unmarshal(content, &text) == nil {
		return text, nil, nil
	}
	value, err := exact(content)
	if err != nil {
		return "", nil, err
	}
	list, _ := value.([]any)
	for _, p := range list {
		part, _ := p.(map[string]any)
		t, isText := part["text"].(string)
		if !isText || part["type"] != "input_text" && part["type"] != "output_text" {
			return "", list, nil
		}
		text += t
	}
	return text, nil, nil
}

// sameReasoning: each reasoning item with encrypted content of the answers before
// request k is in it, complete, and before the item that followed it.
func (s responsesReplay) sameReasoning(body []byte, k int) error {
	raws, err := rawInput(body)
	if err != nil {
		return err
	}
	for n, raw := range raws {
		var it struct {
			Type, ID string
			Content  string          `json:"encrypted_content"`
			Summary  json.RawMessage `json:"summary"`
		}
		if err := json.Unmarshal(raw, &it); err != nil {
			return err
		}
		if it.Type == "reasoning" && it.ID != "" && it.Content == "" {
			return fmt.Errorf("item %d is reasoning with an id and without encrypted content", n)
		}
	}
	for _, turn := range s.session.turns[:k] {
		for _, want := range encryptedItems(turn.Response) {
			at := slices.IndexFunc(raws, func(raw json.RawMessage) bool { return slices.Contains(want, encryptedOf(raw)) })
			if at < 0 {
				return errors.New("encrypted reasoning is missing")
			}
			if at == len(raws)-1 || !strings.Contains(string(raws[at]), `"summary"`) {
				return errors.New("reasoning stands alone, or has no summary")
			}
		}
	}
	return nil
}

func encryptedOf(raw []byte) string {
	var it struct {
		Type    string
		Content string `json:"encrypted_content"`
	}
	if json.Unmarshal(raw, &it) != nil || it.Type != "reasoning" {
		return ""
	}
	return it.Content
}

// encryptedItems returns the encrypted contents of an answer, for each reasoning
// item those of its done event and of the terminal event.
func encryptedItems(response string) (all [][]string) {
	var doc struct{ Output []json.RawMessage }
	if json.Unmarshal([]byte(response), &doc) == nil {
		for _, raw := range doc.Output {
			if c := encryptedOf(raw); c != "" {
				all = append(all, []string{c})
			}
		}
		return all
	}
	var terminal []string
	for line := range strings.Lines(response) {
		data, ok := strings.CutPrefix(line, "data:")
		var e struct {
			Type     string
			Item     json.RawMessage
			Response struct{ Output []json.RawMessage }
		}
		if !ok || json.Unmarshal([]byte(data), &e) != nil {
			continue
		}
		if c := encryptedOf(e.Item); e.Type == "response.output_item.done" && c != "" {
			all = append(all, []string{c})
		}
		for _, raw := range e.Response.Output {
			if c := encryptedOf(raw); c != "" {
				terminal = append(terminal, c)
			}
		}
	}
	for i := range all {
		all[i] = append(all[i], terminal...)
	}
	return all
}
