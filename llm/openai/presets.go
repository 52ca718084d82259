package openai

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// ProfileFor returns the known profile of a model at the provider with the
// given base URL, and the zero Profile for an unknown host.
func ProfileFor(baseURL, model string) Profile {
	u, err := url.Parse(strings.TrimSpace(baseURL))
	if err != nil {
		return Profile{}
	}
	var p Profile
	host, model := hostOf(u), strings.ToLower(model)
	for _, known := range presets {
		if known.hosts.has(host) && (known.model == nil || known.model.MatchString(model)) {
			known.set(&p)
		}
	}
	return p
}

// A preset is a fact about a provider, or about some models of a provider. All
// matching presets are applied in order.
type preset struct {
	hosts hosts
	model *regexp.Regexp // matches the name in small letters; nil means all models
	set   func(*Profile)
}

// hosts are domains with their subdomains, or "localhost" with a port, because
// ports tell local servers apart.
type hosts []string

func (h hosts) has(host string) bool {
	return slices.ContainsFunc(h, func(d string) bool { return host == d || strings.HasSuffix(host, "."+d) })
}

// isLocal reports whether a host is in the user's own network, where ports tell
// servers apart.
func isLocal(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback() || ip.IsPrivate() || ip.IsUnspecified() || ip.IsLinkLocalUnicast()
	}
	local := func(suffix string) bool { return strings.HasSuffix(host, suffix) }
	return !strings.Contains(host, ".") || slices.ContainsFunc([]string{".local", ".internal", ".lan", ".home.arpa"}, local)
}

// hostOf returns the host in small letters, for local hosts "localhost" with
// the port.
func hostOf(u *url.URL) string {
	switch host := strings.ToLower(u.Hostname()); host {
	case "localhost", "127.0.0.1", "::1", "host.docker.internal":
		return "localhost:" + u.Port()
	default:
		if isLocal(host) {
			return "localhost:" + u.Port()
		}
		if _, vertex, ok := strings.Cut(host, "-aiplatform.googleapis.com"); ok && vertex == "" {
			return "aiplatform.googleapis.com" // without the region
		}
		return host
	}
}

// models matches names with the given beginning, with or without a vendor and a
// slash in front.
func models(pattern string) *regexp.Regexp { return regexp.MustCompile(`(^|/)(` + pattern + `)`) }

var (
	azureHosts = hosts{"openai.azure.com", "services.ai.azure.com", "cognitiveservices.azure.com"}
	openAI     = append(hosts{"api.openai.com"}, azureHosts...)
	mistral    = hosts{"api.mistral.ai"}
	deepSeek   = hosts{"api.deepseek.com"}
	moonshot   = hosts{"api.moonshot.ai", "api.moonshot.cn", "api.kimi.com"}
	gemini     = hosts{"generativelanguage.googleapis.com", "aiplatform.googleapis.com"}
	openRouter = hosts{"openrouter.ai"}
	dashScope  = hosts{"dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com", "dashscope-us.aliyuncs.com"}
	zhipu      = hosts{"bigmodel.cn", "z.ai"}
	lmStudio   = hosts{"localhost:1234"}
	ownOllama  = hosts{"localhost:11434"}
	ollama     = append(hosts{"ollama.com"}, ownOllama...)

	// These providers are known only to differ in the names of members and roles.
	otherNames = hosts{
		"api.groq.com", "api.cerebras.ai", "api.x.ai", "api.fireworks.ai", "api.minimax.io", "api.minimaxi.com",
		"volces.com", "api.anthropic.com", "router.huggingface.co",
	}
	otherOldCap = hosts{
		"api.together.xyz", "api.together.ai", "api.deepinfra.com", "api.siliconflow.cn", "api.siliconflow.com",
		"api.perplexity.ai", "integrate.api.nvidia.com",
	}

	onlyOldCap = slices.Concat(mistral, deepSeek, moonshot, dashScope, zhipu, lmStudio, ollama, otherOldCap)
	notOpenAI  = slices.Concat(onlyOldCap, gemini, openRouter, otherNames)
)

// presets holds all known facts about providers. A source is a thread in a
// public repository that quotes the provider's words.
var presets = []preset{
	// OpenAI and Azure refuse ids longer than 40 characters with
	// string_above_max_length (vercel/ai#5171); system messages may stand
	// anywhere.
	{hosts: openAI, set: func(p *Profile) { p.CallIDs, p.KeepSystem = CallIDs40, true }},
	// Most other servers apply response_format to every response, and the model then
	// calls no tool (vllm-project/vllm#39929, ollama/ollama#13750,
	// openai/openai-agents-python#3709).
	{hosts: openAI, set: func(p *Profile) { p.Output = OutputBeside }},
	// Only OpenAI documents allowed_tools on both APIs.
	{hosts: hosts{"api.openai.com"}, set: func(p *Profile) { p.AllowedTools = true }},
	// Azure also has models of other vendors. Kimi models need their own ids back
	// (MoonshotAI/kimi-code#2503), so only the length is limited there.
	{hosts: azureHosts, set: func(p *Profile) { p.CallIDs = CallIDsShort }},
	// These models refuse functions on Chat Completions: GPT-5.6 and its like
	// unless the effort is "none", the later models always
	// (BerriAI/litellm#34569, docker/docker-agent#4165, firebase/genkit#6303).
	// Future models are expected to do the same.
	{hosts: openAI, model: models(`gpt-5\.[6-9]|gpt-[6-9]|gpt-[1-9]\d|.*-codex|o\d-pro|gpt-5.*-pro|o\d-deep-research|o4-mini-deep-research`), set: func(p *Profile) { p.API = APIResponses }},
	// The o models do not know parallel_tool_calls (run-llama/llama_index#20865,
	// tensorzero/tensorzero#2805).
	{hosts: openAI, model: models(`o\d`), set: omit("parallel_tool_calls")},
	// These models accept pictures, so pictures of tools can be sent.
	{hosts: openAI, model: models(`gpt-4o|gpt-4\.1|gpt-5|chatgpt-4o|o1$|o1-20|o3$|o3-20|o4-mini`), set: func(p *Profile) { p.ToolImages = ToolImagesUser }},

	// These providers refuse unknown members, in calls too
	// (openai/openai-agents-python#442, tashfeenahmed/freellmapi#1070,
	// QwenLM/qwen-code#11045).
	{hosts: slices.Concat(openAI, mistral, hosts{"api.groq.com", "api.cerebras.ai"}), set: func(p *Profile) { p.NoCallExtra = true }},

	// Only OpenAI knows the role developer; "system" is right everywhere
	// (OmniRoute#2281 for DeepSeek, opencodex#5664 for DashScope, PI-Desktop#30
	// for Zhipu).
	{hosts: notOpenAI, set: func(p *Profile) { p.NoDeveloper = true }},
	// These providers refuse max_completion_tokens (editor-code-assistant/eca#231
	// for Mistral, can1357/oh-my-pi#2289 for Moonshot), or do not document the
	// member and probably ignore the limit, which is worse.
	{hosts: onlyOldCap, set: func(p *Profile) { p.MaxTokensField = oldCap }},

	// Mistral takes ids of nine characters (langchain-ai/langchain#24668), no
	// user message after a tool result (zed-industries/zed#31736), no $schema and
	// $id in schemas (BerriAI/litellm#13389), and answers unknown members with
	// 422 (openai/openai-agents-python#442). Streams always report the usage.
	{hosts: mistral, set: func(p *Profile) {
		p.CallIDs, p.Bridge, p.Schema = CallIDsNine, true, SchemaNoIDs
		p.Omit = append(p.Omit, "stream_options", "store")
	}},

	// DeepSeek wants the reasoning before a call back with the call
	// (earendil-works/pi#3636, vectorize-io/hindsight#1253). The model that
	// always thinks takes no forced calls (deepseek-ai/DeepSeek-R1#836).
	{hosts: deepSeek, set: func(p *Profile) { p.Echo = append(p.Echo, "reasoning_content") }},
	{hosts: deepSeek, model: models(`deepseek-reasoner`), set: func(p *Profile) { p.EchoEmpty, p.ToolChoice = true, ToolChoiceAuto }},

	// Moonshot has the same rule for thinking models (continuedev/continue#11600;
	// can1357/oh-my-pi#1077 for tool_choice). Ids are the model's own and go back
	// unchanged (MoonshotAI/kimi-code#2503).
	{hosts: moonshot, set: func(p *Profile) { p.Echo = append(p.Echo, "reasoning_content") }},
	{hosts: moonshot, model: models(`.*thinking`), set: func(p *Profile) { p.EchoEmpty, p.ToolChoice = true, ToolChoiceAuto }},

	// Thinking Qwen models take no forced calls (vectorize-io/hindsight#520), and
	// neither does qwen-long (pydantic/pydantic-ai#1265).
	{hosts: dashScope, model: models(`qwq|qvq|qwen-long|.*thinking`), set: func(p *Profile) { p.ToolChoice = ToolChoiceAuto }},

	// Gemini pairs results by name, takes a subset of OpenAPI schemas
	// (zed-industries/zed#44875, tailcallhq/forgecode#3426), and accepts pictures
	// with all models.
	{hosts: gemini, set: func(p *Profile) { p.ToolName, p.Schema, p.ToolImages = true, SchemaGemini, ToolImagesUser }},

	// OpenRouter needs reasoning_details back: Gemini refuses the second request
	// otherwise (LibreChat-AI/agents#37, earendil-works/pi#260).
	{hosts: openRouter, set: func(p *Profile) { p.Echo = append(p.Echo, "reasoning_details") }},

	// LM Studio 0.3.5 refuses null (lmstudio-ai/lmstudio-bug-tracker#261) and a
	// tool_choice that is an object (#670).
	{hosts: lmStudio, set: func(p *Profile) { p.EmptyContent, p.ToolChoice = ContentEmpty, ToolChoiceWords }},
}

func omit(names ...string) func(*Profile) {
	return func(p *Profile) { p.Omit = append(p.Omit, names...) }
}
