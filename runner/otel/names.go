package otel

// The names of the semantic conventions for generative AI, v0.1.0, read in November 2026:
// https://github.com/open-telemetry/semantic-conventions-genai (model/gen-ai, docs/gen-ai).
// No Go module has these names: go.opentelemetry.io/otel/semconv ends with v1.41.
const (
	scope     = "github.com/seed-916e8f6a/toolloop/runner/otel"
	schemaURL = "https://opentelemetry.io/schemas/gen-ai/0.1.0"

	opName           = "gen_ai.operation.name"
	providerName     = "gen_ai.provider.name"
	agentName        = "gen_ai.agent.name"
	conversationID   = "gen_ai.conversation.id"
	outputType       = "gen_ai.output.type"
	errorType        = "error.type"
	requestModel     = "gen_ai.request.model"
	requestStream    = "gen_ai.request.stream"
	requestSeed      = "gen_ai.request.seed"
	requestMaxTokens = "gen_ai.request.max_tokens"
	requestTemp      = "gen_ai.request.temperature"
	requestTopP      = "gen_ai.request.top_p"
	requestFrequency = "gen_ai.request.frequency_penalty"
	requestPresence  = "gen_ai.request.presence_penalty"
	requestStop      = "gen_ai.request.stop_sequences"
	requestReasoning = "gen_ai.request.reasoning.level"
	responseID       = "gen_ai.response.id"
	responseModel    = "gen_ai.response.model"
	finishReasons    = "gen_ai.response.finish_reasons"
	usageInput       = "gen_ai.usage.input_tokens"
	usageOutput      = "gen_ai.usage.output_tokens"
	usageCacheRead   = "gen_ai.usage.cache_read.input_tokens"
	usageCacheWrite  = "gen_ai.usage.cache_write.input_tokens"
	usageReasoning   = "gen_ai.usage.reasoning.output_tokens"
	usageAudioInput  = "gen_ai.usage.audio.input_tokens"
	usageAudioOutput = "gen_ai.usage.audio.output_tokens"
	toolName         = "gen_ai.tool.name"
	toolType         = "gen_ai.tool.type"
	toolCallID       = "gen_ai.tool.call.id"
	toolDescription  = "gen_ai.tool.description"
	tokenModality    = "gen_ai.token.modality"
	responseFirst    = "gen_ai.response.time_to_first_chunk"
	serverAddress    = "server.address"
	serverPort       = "server.port"

	// Content.
	systemInstructions = "gen_ai.system_instructions"
	inputMessages      = "gen_ai.input.messages"
	outputMessages     = "gen_ai.output.messages"
	toolArguments      = "gen_ai.tool.call.arguments"
	toolResult         = "gen_ai.tool.call.result"

	// The names before.
	oldSystem     = "gen_ai.system"
	oldCacheWrite = "gen_ai.usage.cache_creation.input_tokens"
	oldTokenType  = "gen_ai.token.type"

	mcpMethod = "mcp.method.name"

	// Ours.
	runResumed   = "toolloop.run.resumed"
	runPaused    = "toolloop.run.paused"
	callRef      = "toolloop.call"
	callDeferred = "toolloop.call.deferred"
	linkKind     = "toolloop.link"
)

// The values of gen_ai.operation.name.
const (
	opAgent = "invoke_agent"
	opChat  = "chat"
	opTool  = "execute_tool"
)
