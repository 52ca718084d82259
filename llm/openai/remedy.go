package openai

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A remedy changes the profile after a provider has refused a request.
type remedy struct {
	words *regexp.Regexp // searched in message, param, code and type of the error
	any   bool           // also with a status of the server's own failure; else 400 and 422
	alone bool           // nothing else is to be changed with it

	anyStatus bool // whatever the status
	// learn changes the profile and returns a text that identifies the change, so
	// that no change is made twice. The text "" means no change.
	learn func(*Profile, *llm.APIError) string
}

// refusal matches the words for a member that a provider does not take.
const refusal = `(unsupported|not supported|does(n't| not) support|unknown|unrecognized|unexpected|extra_forbidden|extra inputs|not permitted|not allowed)`

// both matches texts that hold a and b, in either order.
func both(a, b string) *regexp.Regexp {
	return regexp.MustCompile(`(?is)` + a + `.*` + b + `|` + b + `.*` + a)
}

// remedies are tried in order; the first remedy that changes the request is
// used. Then omitting and leavingOut follow, because some providers report all
// problems at once.
var remedies = []remedy{
	// OpenAI refuses functions on Chat Completions for its newest models
	// (pipecat-ai/pipecat#4043, BerriAI/litellm#34569, firebase/genkit#6303).
	{words: regexp.MustCompile(`(?is)/v1/responses\b|use the responses api|only supported (in|by|with) (the )?(v1/)?responses`), learn: func(p *Profile, e *llm.APIError) string {
		if p.API != APIAuto || strings.Contains(e.Message, "not supported with the Responses API") {
			return ""
		}
		p.API = APIResponses
		return "requests go to the Responses API"
	}},
	// Models without encrypted reasoning refuse the request for it and the items that
	// another model left (OpenHands/OpenHands#11406).
	{words: regexp.MustCompile(`(?is)encrypted[ _]content.{0,40}(is|are) not supported`), learn: func(p *Profile, _ *llm.APIError) string {
		if p.API != APIResponses || slices.Contains(p.Omit, "include") {
			return ""
		}
		p.NoReasoningItems, p.Omit = true, append(p.Omit, "include")
		return "no encrypted reasoning is asked for or sent back"
	}},
	// A server that has nothing stored, another account, another model: facts about
	// reasoning items that go back (openclaw/openclaw#72602, vercel/ai#7099,
	// anomalyco/opencode#7724 and #31236, Wei-Shaw/sub2api#658 and #4237).
	{words: regexp.MustCompile(`(?is)encrypted[ _]content.*(could not be verified|not supported|invalid|did not match|extra_forbidden|not permitted|unknown)|invalid_encrypted_content` +
		`|provided without its required|item with id .* not found|duplicate item found|does not belong to this connection|expected an id that begins with` +
		`|\breasoning\b.*\bitems?\b.*(not supported|unsupported)|item\['content'\] is not an array|missing required field .?summary|untagged enum modelinput|unknown input item type|cannot determine type of .item`), anyStatus: true, learn: func(p *Profile, _ *llm.APIError) string {
		if p.API != APIResponses || p.NoReasoningItems {
			return ""
		}
		p.NoReasoningItems = true
		return "no reasoning of earlier answers and no item of a hosted tool is sent back"
	}},
	{words: regexp.MustCompile(`(?is)\binclude\b.*` + refusal + `|` + refusal + `.*\binclude\b`), learn: func(p *Profile, _ *llm.APIError) string {
		if p.API != APIResponses || slices.Contains(p.Omit, "include") {
			return ""
		}
		p.Omit = append(p.Omit, "include")
		return "it goes without include"
	}},
	{words: regexp.MustCompile(`(?is)function_call_output.*output.*(string|array|list)|\binput_image\b.*(tool|function|output)|output.*(should be a valid string|must be a string|expected a string)`), learn: func(p *Profile, _ *llm.APIError) string {
		if p.API != APIResponses || p.TextResults {
			return ""
		}
		p.TextResults = true
		return "results of tools are sent as text"
	}},
	{words: regexp.MustCompile(`(?is)\breasoning\.summary\b|reasoning summar(y|ies)|generate reasoning summaries`), learn: func(p *Profile, _ *llm.APIError) string {
		if p.API != APIResponses || slices.Contains(p.Omit, "reasoning_summary") {
			return ""
		}
		p.Omit = append(p.Omit, "reasoning_summary")
		return "no summary of the reasoning is asked for"
	}},
	{words: regexp.MustCompile(`(?is)\breasoning\.effort\b.*` + refusal + `|` + refusal + `.*\breasoning\.effort\b`), learn: func(p *Profile, _ *llm.APIError) string {
		if p.API != APIResponses || slices.Contains(p.Omit, "reasoning_effort") {
			return ""
		}
		p.Omit = append(p.Omit, "reasoning_effort")
		return "it goes without reasoning.effort"
	}},
	{words: regexp.MustCompile(`(?i)does not support thinking`), any: true, learn: func(p *Profile, _ *llm.APIError) string { // Ollama
		if slices.Contains(p.Omit, "reasoning_effort") {
			return ""
		}
		p.Omit = append(p.Omit, "reasoning_effort")
		return "it goes without a reasoning effort"
	}},
	{words: regexp.MustCompile(`(?is)\bstrict\b.*(unknown|unrecognized|unexpected|extra_forbidden|extra inputs|not permitted)|(unknown|unrecognized|unexpected|extra_forbidden|extra inputs|not permitted).*\bstrict\b`), learn: func(p *Profile, _ *llm.APIError) string {
		if p.API != APIResponses || slices.Contains(p.Omit, "strict") {
			return ""
		}
		p.Omit = append(p.Omit, "strict")
		return "functions go without strict"
	}},
	{words: regexp.MustCompile(`(?is)reasoning_content\W.*(passed back|missing|required|must be (provided|included|present|sent))|missing\W+reasoning_content`), learn: func(p *Profile, _ *llm.APIError) string {
		p.Echo, p.EchoEmpty = append([]string{"reasoning_content"}, without(p.Echo, "reasoning_content")...), true
		return "reasoning_content is sent back"
	}},
	{words: regexp.MustCompile(`(?is)reasoning[ _]details\b.*preserved`), learn: func(p *Profile, _ *llm.APIError) string {
		p.Echo = append(without(p.Echo, "reasoning_details"), "reasoning_details")
		return "reasoning_details are sent back"
	}},
	{words: both(`\breasoning(_content|_details|_text)?\b`, refusal), learn: forgetEcho},
	{words: both(`\bmax_(completion_)?tokens\b`, refusal), learn: swapCap},
	{words: regexp.MustCompile(`(?i)function tools with reasoning_effort are not supported`), alone: true, learn: toolEffort},
	// Only a request with allowed_tools changes, so a refusal of the object counts here
	// too: named tools and "required" are not known to be refused.
	{words: allowedRefused, any: true, learn: func(p *Profile, _ *llm.APIError) string {
		p.AllowedTools = false
		return "a choice among tools goes with these tools alone"
	}},
	{words: regexp.MustCompile(`(?is)tool_choice.*(type: .?object|string values|of type string|(expected|valid|must be)( a)? str(ing)?\b|str type expected)`), any: true, learn: func(p *Profile, _ *llm.APIError) string {
		p.ToolChoice = ToolChoiceWords
		return "no tool is named in tool_choice"
	}},
	{words: both(`\btool_choice\b`, `(not support|unsupported|incompatible|should be|extra_forbidden|extra inputs|not permitted|unknown|unrecognized|cannot unmarshal)`), any: true, learn: func(p *Profile, _ *llm.APIError) string {
		p.ToolChoice = ToolChoiceAuto
		return "the choice of tools is left to the model"
	}},
	{words: regexp.MustCompile(`(?is)tool.?call.?id.*length of 9`), learn: func(p *Profile, _ *llm.APIError) string {
		p.CallIDs = CallIDsNine
		return "ids of calls have nine characters"
	}},
	{words: regexp.MustCompile(`(?is)(tool_calls\W.*\bid\b|tool_call_id|tool_use\W+id).*(\bpattern\b|\bmatch|invalid characters|only contain)`), learn: func(p *Profile, _ *llm.APIError) string {
		p.CallIDs = CallIDs40
		return "ids of calls have up to 40 letters, digits, _ and -"
	}},
	{words: regexp.MustCompile(`(?is)(tool_calls\W.*\bid\b|tool_call_id).*(too long|maximum length|string_above_max_length)`), learn: func(p *Profile, _ *llm.APIError) string {
		p.CallIDs = CallIDsShort
		return "ids of calls have up to 40 characters"
	}},
	{words: regexp.MustCompile(`(?is)\bdeveloper\b.*(role|not one of|expected|unsupported|invalid)|(role|unknown variant)\W.*\bdeveloper\b|incorrect role information|unexpected message role`), any: true, learn: func(p *Profile, _ *llm.APIError) string {
		p.NoDeveloper = true
		return "messages of the developer are sent as those of the system"
	}},
	{words: regexp.MustCompile(`(?is)unexpected role .?user.? after role .?tool|roles must alternate`), any: true, learn: func(p *Profile, _ *llm.APIError) string {
		p.Bridge = true
		return "a message of the assistant stands between those of a tool and the user"
	}},
	{words: regexp.MustCompile(`(?is)must be non-?empty|non-empty content`), learn: func(p *Profile, _ *llm.APIError) string {
		if p.EmptyContent != ContentEmpty { // null was taken for ""
			p.EmptyContent = ContentOmitted
			return "there is no content beside calls"
		}
		p.EmptyContent = ContentNull
		return "the content beside calls is null"
	}},
	{words: regexp.MustCompile(`(?is)\bcontent\b.*(must be a string|should be a valid string|(cannot|must not|may not) be null|got null|<nil>)`), learn: func(p *Profile, _ *llm.APIError) string {
		p.EmptyContent = ContentEmpty
		return `the content beside calls is ""`
	}},
	{words: regexp.MustCompile("(?is)tool calling without .?tools="), learn: func(p *Profile, _ *llm.APIError) string {
		p.NeedTools = true
		return "a request whose messages hold calls has a tool"
	}},
	{words: regexp.MustCompile(`(?is)\bstrict\b.*` + refusal + `|` + refusal + `.*\bstrict\b|invalid schema for (function|response_format).*(is required to be supplied|not permitted)|properties .* (is|are) not supported`), learn: func(p *Profile, _ *llm.APIError) string {
		p.Strict = StrictNever
		return "no schema is strict"
	}},
	{words: regexp.MustCompile(`(?is)unknown name.*(parameters|schema)|proto field is not repeating`), learn: schemas(SchemaGemini, "schemas are in the subset that Gemini knows")},
	{words: regexp.MustCompile(`(?is)failed to compile json schema`), learn: schemas(SchemaNoIDs, "schemas have no $schema and $id")},
	{words: regexp.MustCompile(`(?is)cannot unmarshal .*Go struct field \S*\.(parameters|properties|input_?schema|schema)\b`), any: true, learn: schemas(SchemaGemini, "schemas are in the subset that Gemini knows")},
	{words: regexp.MustCompile(`(?is)json schema (conversion failed|error at)|unrecognized schema|unsupported \$?ref\b|(resolving|resolve) \$?ref\b`), any: true, learn: schemas(SchemaGrammar, grammarWords)},
	{words: regexp.MustCompile(`(?is)unsupported_tool_schema.*unsupported_keyword`), learn: schemas(SchemaUnbounded, "schemas have no bounds on values")},
	{words: both(`\btool_calls\b`, `(extra_forbidden|extra inputs|unsupported|not permitted|unrecognized|unknown|unexpected)`), learn: func(p *Profile, _ *llm.APIError) string {
		p.NoCallExtra = true
		return "calls go without members that are not of the protocol"
	}},
	{words: grammarText, any: true, learn: schemas(SchemaUnbounded, "schemas have no bounds on values")},
	{words: grammarText, any: true, learn: schemas(SchemaGrammar, grammarWords)},
	{words: both(`(json (mode|schema)|json_(object|schema)|response_?format|response mime type|structured outputs?)`, `\b(tools?|tool.?calls?|functions?|function.?calling)\b`), learn: omitOutput},
	{words: refusedFormat, any: true, learn: formInText},
}

const grammarWords = "schemas have no bounds on values, no true and false in the place of a schema, and no reference to the whole"

var grammarText = regexp.MustCompile(`(?is)failed to (parse|generate|compile|initialize) .*(grammar|samplers)|failed to parse grammar`)

// allowedRefused are the words for a tool_choice of type allowed_tools, or for any
// object there. In "Supported values are: 'function', 'allowed_tools', …" the value
// of an earlier sentence is refused, so a match stays inside a sentence.
var allowedRefused = regexp.MustCompile(`(?is)(invalid|unsupported|not support|unknown|unrecognized|unexpected|should be|expected)([^.]|\.[\w\[])*\ballowed_tools\b` +
	`|\ballowed_tools\b([^.]|\.\w)*(not support|unsupported|invalid|unknown|unrecognized|unexpected|not permitted|not allowed|extra_forbidden)` +
	`|\btool_choice\b.*(type: .?object|string values|of type string|(expected|valid|must be)( a)? str(ing)?\b|str type expected)` +
	`|invalid type\b.*\btool_choice\b|expected field .?function.? in .?tool_choice|untagged enum \w*toolchoice`)

// omitKeywordsRemedy and leaveOutRemedy are tried after the remedies.
var omitKeywordsRemedy = remedy{words: regexp.MustCompile(`(?is)` + refusal), learn: omitKeywords}

var leaveOutRemedy = remedy{words: regexp.MustCompile(`(?is)` + refusal + `|invalid \w+: only`), learn: leaveOut}

// fits reports whether the error matches the remedy.
func (r remedy) fits(e *llm.APIError) bool {
	return (r.anyStatus || r.any && (e.StatusCode >= 500 || e.StatusCode == http.StatusOK) || invalid(e)) && r.words.MatchString(strings.Join([]string{e.Message, e.Param, e.Code, e.Type}, "\n"))
}

// invalid reports whether the provider blames the request, even with a status
// for a server failure.
func invalid(e *llm.APIError) bool {
	return e.Kind == llm.KindInvalidRequest &&
		(e.StatusCode == http.StatusBadRequest || e.StatusCode == http.StatusUnprocessableEntity || e.StatusCode >= 500)
}

func schemas(s Schema, words string) func(*Profile, *llm.APIError) string {
	return func(p *Profile, _ *llm.APIError) string {
		p.Schema = s
		return words
	}
}

func without(names []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
}

// forgetEcho stops sending back the members that the text names.
func forgetEcho(p *Profile, e *llm.APIError) string {
	var named []string
	for _, name := range p.Echo {
		if regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\b`).MatchString(e.Message + " " + e.Param) {
			named = append(named, name)
		}
	}
	if named == nil {
		return ""
	}
	for _, name := range named {
		p.Echo = without(p.Echo, name)
	}
	p.EchoEmpty = p.EchoEmpty && len(p.Echo) > 0
	return "nothing is sent back as " + strings.Join(named, " and ")
}

// swapCap takes the other name of the token limit, if the text refuses the
// present name.
func swapCap(p *Profile, e *llm.APIError) string {
	present := p.maxTokensField()
	other := map[string]string{newCap: oldCap, oldCap: newCap}[present]
	text := e.Message + " " + e.Param
	named := func(name string) bool { return regexp.MustCompile(`\b` + name + `\b`).MatchString(text) }
	// A number that is too high is no name that is unknown.
	if other == "" || !named(present) || !named(other) && tooHigh.MatchString(text) {
		return ""
	}
	p.MaxTokensField = other
	return "the bound on the answer is called " + other
}

var tooHigh = regexp.MustCompile(`(?i)at most|less than|too large|must be|maximum|exceed|\d+ is not`)

// optional are members of a request that can be left out without a loss in the
// response.
var optional = []string{
	"temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "reasoning_effort", "verbosity", "parallel_tool_calls",
	"stream_options", "service_tier", "store", "prompt_cache_key", "safety_identifier", "user", "metadata",
}

// refused finds the names of refused members in an error text.
var refused = []*regexp.Regexp{
	regexp.MustCompile("(?i)(?:unsupported|unknown|unrecognized|unexpected)(?: request)?(?: (?:keyword )?(?:parameter|argument|field|name|value|property|key|option)s?)?(?: supplied)?:? ?[\"'`\\\\]*([a-z_]+)"),
	regexp.MustCompile("(?i)([a-z_]+)[\"'`\\\\]*(?:=\\S+)? (?:is|are) (?:not supported|unsupported|not allowed|not permitted)"),
	regexp.MustCompile("(?i)([a-z_]+)[\"'`\\\\]* does not support"),
	regexp.MustCompile(`(?i)([a-z_]+): extra inputs are not permitted`),
	regexp.MustCompile(`(?i)extra_forbidden.{0,20}loc\W+body\W+([a-z_]+)`),
	regexp.MustCompile(`(?i)does not support (?:the )?param(?:eter)?s?:? \[([^\]]*)\]`),
	regexp.MustCompile(`(?i)invalid ([a-z_]+): only`),
	additional[0], additional[1],
}

// additional find the names in the words of validators of JSON Schema.
var additional = []*regexp.Regexp{
	regexp.MustCompile(`(?i)additional ?propert(?:y|ies) ((?:['"][^'"]+['"](?:, | and )?)+) (?:is |are )?not allowed`),
	regexp.MustCompile(`(?i)additional ?properties are not allowed \(((?:['"][^'"]+['"](?:, | and )?)+) (?:was|were) unexpected\)`),
}

// quotedUser matches the member "user", not the person.
var quotedUser = regexp.MustCompile("(?i)[\"'`]user[\"'`]|body\\W+user\\b|user: extra|(parameter|argument|field):? user\\b")

var memberName = regexp.MustCompile(`[a-z_]+`)

// leaveOut leaves out the optional members that are refused.
func leaveOut(p *Profile, e *llm.APIError) string {
	named := memberName.FindAllString(strings.SplitN(e.Param, ".", 2)[0], 1)
	for _, re := range refused {
		for _, m := range re.FindAllStringSubmatch(e.Message, -1) {
			named = append(named, memberName.FindAllString(m[1], -1)...)
		}
	}
	var out []string
	for _, name := range optional {
		if slices.Contains(named, name) && !slices.Contains(p.Omit, name) && (name != "user" || e.Param == name || quotedUser.MatchString(e.Message)) {
			out = append(out, name)
		}
	}
	if out == nil {
		return ""
	}
	p.Omit = append(p.Omit, out...)
	return "it goes without " + strings.Join(out, " and ")
}

// keywords are the JSON Schema keywords that a schema can lose and still
// describe its values.
var keywords = append(slices.Clone(bounds), "title", "default", "examples", "example", "deprecated", "readOnly", "writeOnly", "nullable",
	"additionalProperties", "unevaluatedProperties", "unevaluatedItems", "dependentRequired", "dependentSchemas",
	"not", "if", "then", "else", "const", "$schema", "$id", "$comment", "$anchor", "contentEncoding", "contentMediaType", "strict")

var (
	// namedKeywords finds the names of refused keywords in an error text.
	namedKeywords = append(slices.Clone(additional),
		regexp.MustCompile("(?i)(?:unsupported|unknown|unrecognized|unexpected|invalid)(?: json)?(?: schema)? (?:keyword|schema (?:property|field|key))s?:? ?[\"'`]?([\\w$]+)"),
		regexp.MustCompile("(?i)(?:keyword|schema (?:property|field|key))s? [\"'`]?([\\w$]+)[\"'`]? (?:is|are) (?:not supported|unsupported|not allowed|not permitted)"),
		regexp.MustCompile("(?i)\\bpropert(?:y|ies) ([\"'`]?[\\w$]+[\"'`]?(?:(?:, | and )[\"'`]?[\\w$]+[\"'`]?)*) (?:is|are) (?:not supported|unsupported)"),
		regexp.MustCompile(`(?i)(?:parameters|schema)\.(?:[\w$]+\.)*([\w$]+)['"]? is (?:not supported|unsupported)`),
	)
	keywordName = regexp.MustCompile(`[\w$]+`)
)

// omitKeywords leaves out of schemas the keywords that are refused.
func omitKeywords(p *Profile, e *llm.APIError) string {
	var out []string
	for _, re := range namedKeywords {
		for _, m := range re.FindAllStringSubmatch(e.Message, -1) {
			for _, name := range keywordName.FindAllString(m[1], -1) {
				if slices.Contains(keywords, name) && !slices.Contains(p.SchemaOmit, name) && !slices.Contains(out, name) {
					out = append(out, name)
				}
			}
		}
	}
	if out == nil {
		return ""
	}
	p.SchemaOmit = append(p.SchemaOmit, out...)
	return "schemas go without " + strings.Join(out, " and ")
}

var effortNone = regexp.MustCompile(`(?i)\bset reasoning_effort to ['"]?none`)

// toolEffort sends tools without the effort, or with effort "none", as the text
// says.
func toolEffort(p *Profile, e *llm.APIError) string {
	const loss = ": the model thinks less than it was asked to, since its provider takes tools with an effort on /v1/responses only"
	if effortNone.MatchString(e.Message) {
		p.ToolEffort = "none"
		return "requests with tools ask for the reasoning effort none" + loss
	}
	p.ToolEffort = effortOmitted
	return "requests with tools go without reasoning_effort" + loss
}
