package main

import (
	"context"
	"fmt"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

func addResources(server *sdk.Server) {
	add := func(name, uri, mediaType string, contents sdk.ResourceContents) {
		server.AddResource(&sdk.Resource{Name: name, URI: uri, MIMEType: mediaType}, read(contents))
	}
	add("text", "test://static-text", "text/plain", sdk.ResourceContents{Text: "This is the content of the static text resource."})
	add("binary", "test://static-binary", "image/png", sdk.ResourceContents{Blob: picture().Data})
	add("watched", "test://watched-resource", "text/plain", sdk.ResourceContents{Text: "Nothing happens here."})

	const before, after = "test://template/", "/data"
	server.AddResourceTemplate(&sdk.ResourceTemplate{Name: "template", URITemplate: before + "{id}" + after, MIMEType: "application/json"},
		func(ctx context.Context, req *sdk.ReadResourceRequest) (*sdk.ReadResourceResult, error) {
			id := strings.TrimSuffix(strings.TrimPrefix(req.Params.URI, before), after)
			return read(sdk.ResourceContents{Text: fmt.Sprintf(`{"id":%q,"templateTest":true,"data":"Data for ID: %s"}`, id, id)})(ctx, req)
		})
}

func read(contents sdk.ResourceContents) sdk.ResourceHandler {
	return func(context.Context, *sdk.ReadResourceRequest) (*sdk.ReadResourceResult, error) {
		own := contents // the SDK fills in missing fields
		return &sdk.ReadResourceResult{Contents: []*sdk.ResourceContents{&own}}, nil
	}
}

func addPrompts(server *sdk.Server) {
	server.AddPrompt(&sdk.Prompt{Name: "test_simple_prompt", Description: "For the suite."}, answer("This is a simple prompt for testing."))
	server.AddPrompt(&sdk.Prompt{Name: "test_prompt_with_arguments", Description: "For the suite.", Arguments: arguments("arg1", "arg2")},
		func(_ context.Context, req *sdk.GetPromptRequest) (*sdk.GetPromptResult, error) {
			args := req.Params.Arguments
			return messages(&sdk.TextContent{Text: fmt.Sprintf("Prompt with arguments: arg1='%s', arg2='%s'", args["arg1"], args["arg2"])}), nil
		})
	server.AddPrompt(&sdk.Prompt{Name: "test_prompt_with_embedded_resource", Description: "For the suite.", Arguments: arguments("resourceUri")},
		func(_ context.Context, req *sdk.GetPromptRequest) (*sdk.GetPromptResult, error) {
			return messages(&sdk.EmbeddedResource{Resource: &sdk.ResourceContents{
				URI: req.Params.Arguments["resourceUri"], MIMEType: "text/plain", Text: "Embedded resource content for testing.",
			}}, &sdk.TextContent{Text: "Please process the embedded resource above."}), nil
		})
	server.AddPrompt(&sdk.Prompt{Name: "test_prompt_with_image", Description: "For the suite."},
		func(context.Context, *sdk.GetPromptRequest) (*sdk.GetPromptResult, error) {
			return messages(&sdk.ImageContent{Data: picture().Data, MIMEType: "image/png"}, &sdk.TextContent{Text: "Please analyze the image above."}), nil
		})
	server.AddPrompt(&sdk.Prompt{Name: "test_input_required_result_prompt", Description: "For the suite."},
		func(_ context.Context, req *sdk.GetPromptRequest) (*sdk.GetPromptResult, error) {
			if !answered(req.Params.InputResponses, "user_context") {
				return &sdk.GetPromptResult{InputRequests: sdk.InputRequestMap{"user_context": askFor("context", "string")}}, nil
			}
			return messages(&sdk.TextContent{Text: "Thank you."}), nil
		})
}

func arguments(names ...string) []*sdk.PromptArgument {
	var all []*sdk.PromptArgument
	for _, name := range names {
		all = append(all, &sdk.PromptArgument{Name: name, Required: true})
	}
	return all
}

func answer(text string) sdk.PromptHandler {
	return func(context.Context, *sdk.GetPromptRequest) (*sdk.GetPromptResult, error) {
		return messages(&sdk.TextContent{Text: text}), nil
	}
}

func messages(contents ...sdk.Content) *sdk.GetPromptResult {
	res := new(sdk.GetPromptResult)
	for _, c := range contents {
		res.Messages = append(res.Messages, &sdk.PromptMessage{Role: "user", Content: c})
	}
	return res
}
