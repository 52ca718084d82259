//lint:file-ignore SA1019 the suite tests what the protocol has given up, too

package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// addProtocolTools adds tools that are about the protocol, so they cannot be Go
// functions: they close a stream, return a JSON-RPC error, or return a question with a
// state that the client sends back with its answer.
func addProtocolTools(server *sdk.Server) {
	for name, handler := range map[string]sdk.ToolHandler{
		"test_reconnection":                         breakOff,
		"test_missing_capability":                   needSampling,
		"test_input_required_result_elicitation":    askOnce("user_name", askName),
		"test_input_required_result_sampling":       askOnce("capital_question", askModel),
		"test_input_required_result_list_roots":     askOnce("client_roots", askRoots),
		"test_input_required_result_request_state":  askWithState,
		"test_input_required_result_tampered_state": askWithState,
		"test_input_required_result_multiple_inputs": askAll(map[string]func() sdk.InputRequest{
			"user_name": askName, "greeting": askModel, "client_roots": askRoots,
		}),
		"test_input_required_result_multi_round":  askTwice,
		"test_input_required_result_capabilities": askWhatIsDeclared,
	} {
		server.AddTool(&sdk.Tool{Name: name, Description: "For the suite.", InputSchema: json.RawMessage(`{"type":"object"}`)}, handler)
	}
}

func breakOff(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	if req.Extra != nil && req.Extra.CloseSSEStream != nil {
		req.Extra.CloseSSEStream(sdk.CloseSSEStreamArgs{RetryAfter: 10 * time.Millisecond})
	}
	if err := pause(ctx); err != nil {
		return nil, err
	}
	return said("You came back."), nil
}

func needSampling(_ context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	if caps := req.ClientCapabilities(); caps != nil && caps.Sampling != nil {
		return said("You have a model."), nil
	}
	data, err := json.Marshal(sdk.MissingRequiredClientCapabilityData{
		RequiredCapabilities: &sdk.ClientCapabilities{Sampling: &sdk.SamplingCapabilities{}},
	})
	if err != nil {
		return nil, err
	}
	return nil, &jsonrpc.Error{Code: sdk.CodeMissingRequiredClientCapabilities, Message: "sampling is needed", Data: data}
}

func said(text string) *sdk.CallToolResult {
	return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: text}}}
}

// inputRequired is a result that asks for input; the client sends state back with the
// answers.
func inputRequired(state string, requests sdk.InputRequestMap) *sdk.CallToolResult {
	return &sdk.CallToolResult{InputRequests: requests, RequestState: state}
}

func askFor(field, kind string) sdk.InputRequest {
	schema := map[string]any{"type": "object", "properties": map[string]any{field: map[string]any{"type": kind}}, "required": []string{field}}
	return &sdk.ElicitParams{Message: "What is the " + field + "?", RequestedSchema: schema}
}

func askName() sdk.InputRequest { return askFor("name", "string") }

func askRoots() sdk.InputRequest { return new(sdk.ListRootsParams) }

func askModel() sdk.InputRequest {
	return &sdk.CreateMessageParams{MaxTokens: 100, Messages: []*sdk.SamplingMessage{
		{Role: "user", Content: &sdk.TextContent{Text: "What is the capital of France?"}},
	}}
}

// answered reports whether a client answered a question completely.
func answered(responses sdk.InputResponseMap, question string) bool {
	switch r := responses[question].(type) {
	case *sdk.ElicitResult:
		return r.Action == "accept" && len(r.Content) > 0 && wellFormed(question, r.Content)
	case nil:
		return false
	}
	return true
}

// wellFormed reports whether the answer has a name that is a text.
func wellFormed(question string, content map[string]any) bool {
	name, isText := content["name"].(string)
	return question != "user_name" || isText && name != ""
}

func askOnce(question string, ask func() sdk.InputRequest) sdk.ToolHandler {
	return askAll(map[string]func() sdk.InputRequest{question: ask})
}

func askAll(questions map[string]func() sdk.InputRequest) sdk.ToolHandler {
	return func(_ context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		open := sdk.InputRequestMap{}
		for question, ask := range questions {
			if !answered(req.Params.InputResponses, question) {
				open[question] = ask()
			}
		}
		if len(open) > 0 {
			return inputRequired("open", open), nil
		}
		return said("Thank you."), nil
	}
}

// confirming is the state returned by askWithState.
const confirming = "confirming"

func askWithState(_ context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	switch {
	case req.Params.RequestState != "" && req.Params.RequestState != confirming:
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "no such state"}
	case req.Params.RequestState == confirming && answered(req.Params.InputResponses, "confirm"):
		return said("state-ok"), nil
	}
	return inputRequired(confirming, sdk.InputRequestMap{"confirm": askFor("ok", "boolean")}), nil
}

func askTwice(_ context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	switch req.Params.RequestState {
	case "":
		return inputRequired("first", sdk.InputRequestMap{"step1": askName()}), nil
	case "first":
		return inputRequired("second", sdk.InputRequestMap{"step2": askFor("color", "string")}), nil
	}
	return said("Thank you twice."), nil
}

func askWhatIsDeclared(_ context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	questions, caps := sdk.InputRequestMap{}, req.ClientCapabilities()
	if caps != nil && caps.Elicitation != nil {
		questions["user_name"] = askName()
	}
	if caps != nil && caps.Sampling != nil {
		questions["greeting"] = askModel()
	}
	if len(req.Params.InputResponses) > 0 || len(questions) == 0 {
		return said("Thank you."), nil
	}
	return inputRequired("", questions), nil
}
