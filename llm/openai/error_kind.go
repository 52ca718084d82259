package openai

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// strongCodes are codes and types that decide about the kind, whatever the status.
var strongCodes = map[string]llm.ErrorKind{
	"context_length_exceeded":          llm.KindContextOverflow,
	"context_window_exceeded":          llm.KindContextOverflow,
	"model_context_window_exceeded":    llm.KindContextOverflow,
	"exceed_context_size_error":        llm.KindContextOverflow,
	"too_many_prompt_tokens":           llm.KindContextOverflow,
	"too_many_input_tokens":            llm.KindContextOverflow,
	"prompt_too_long":                  llm.KindContextOverflow,
	"input_too_long":                   llm.KindContextOverflow,
	"model_max_prompt_tokens_exceeded": llm.KindContextOverflow, // Copilot
	"tokens_limit_reached":             llm.KindContextOverflow, // GitHub Models
	"content_filter":                   llm.KindContentFilter,
	"content_policy_violation":         llm.KindContentFilter,
	"responsibleaipolicyviolation":     llm.KindContentFilter,
	"data_inspection_failed":           llm.KindContentFilter,
	"datainspectionfailed":             llm.KindContentFilter, // DashScope
	"1301":                             llm.KindContentFilter, // Zhipu
	"base_resp 1026":                   llm.KindContentFilter, // MiniMax: the prompt
	"base_resp 1027":                   llm.KindContentFilter, // MiniMax: the answer
	"censorship_blocked":               llm.KindContentFilter, // StepFun
	"prohibited_content":               llm.KindContentFilter,
	"insufficient_quota":               llm.KindQuota,
	"insufficient_balance":             llm.KindQuota,
	"insufficient_credits":             llm.KindQuota,
	"insufficient_user_quota":          llm.KindQuota,
	"billing_hard_limit_reached":       llm.KindQuota,
	"billing_not_active":               llm.KindQuota,
	"billing_error":                    llm.KindQuota,
	"1113":                             llm.KindQuota, // Zhipu: no balance
	"base_resp 1008":                   llm.KindQuota, // MiniMax: no balance
	"payment_required":                 llm.KindQuota,
	"overloaded_error":                 llm.KindOverloaded,
	"engine_overloaded":                llm.KindOverloaded,
	"engine_overloaded_error":          llm.KindOverloaded,
	"server_overloaded":                llm.KindOverloaded,
	"invalid_api_key":                  llm.KindAuth,
	"api_key_invalid":                  llm.KindAuth,
	"invalid_authentication_error":     llm.KindAuth,
	"authentication_error":             llm.KindAuth,
	"invalid_token":                    llm.KindAuth, // this and the next ones: OAuth 2.0
	"invalid_client":                   llm.KindAuth,
	"invalid_grant":                    llm.KindAuth,
	"unauthorized_client":              llm.KindAuth,
	"expired_token":                    llm.KindAuth,
	"token_expired":                    llm.KindAuth,
	"access_denied":                    llm.KindPermission,
	"insufficient_scope":               llm.KindPermission,
	"permission_error":                 llm.KindPermission,
	"permission_denied":                llm.KindPermission,
}

// weakCodes count only where the status says nothing.
var weakCodes = map[string]llm.ErrorKind{
	"model_not_found":           llm.KindNotFound,
	"not_found":                 llm.KindNotFound,
	"not_found_error":           llm.KindNotFound,
	"rate_limit_exceeded":       llm.KindRateLimit,
	"rate_limit_exceeded_error": llm.KindRateLimit,
	"rate_limit_error":          llm.KindRateLimit,
	"rate_limit_reached_error":  llm.KindRateLimit,
	"too_many_requests":         llm.KindRateLimit,
	"too_many_requests_error":   llm.KindRateLimit,
	"resource_exhausted":        llm.KindRateLimit,
	"invalid_request_error":     llm.KindInvalidRequest,
	"invalid_argument":          llm.KindInvalidRequest,
	"bad_request":               llm.KindInvalidRequest,
	"tool_use_failed":           llm.KindInvalidRequest,
	"request_too_large":         llm.KindTooLarge,
	"timeout":                   llm.KindTimeout,
	"timeout_error":             llm.KindTimeout,
	"overloaded":                llm.KindOverloaded,
	"over_capacity":             llm.KindOverloaded,
	"unavailable":               llm.KindOverloaded,
}

var (
	// overflowText are the wordings of too many tokens, of all providers known.
	overflowText = regexp.MustCompile(`(?i)maximum (context|prompt) (length|window)` +
		`|(exceed|too (long|large|many)|larger|greater|over|beyond|fit)[^.]{0,60}\bcontext[ _](window|length|limit|size)\b` +
		`|\bcontext[ _](window|length|limit|size)\b[^.]{0,60}(exceed|too (long|large|many)|larger|greater|reached|full|maximum|is \d)` +
		`|prompt (is )?too long|input is too long|too many input tokens|input token count .*exceeds` +
		`|reduce the length of the (messages|prompt|input)|exceeded model token limit|prompt token count of \d+ exceeds` +
		`|total length of all messages is too long|tokens to keep from the initial prompt|exceeds max_seq_len` +
		`|input length .*(exceeds|should be)|maximum number of tokens allowed` +
		`|\b(input|prompt) tokens?\b[^.]{0,40}\bexceed|\bmax_prompt_tokens\b|\btokens? exceeds? (the )?(limit|maximum)` +
		`|request (body )?too large for .*\bmax size: \d+ tokens`)
	// capText keeps a bound on the answer that is too high from being taken for too
	// long a conversation.
	capText = regexp.MustCompile(`(?i)\bmax_(completion_|output_)?tokens\b[^.]{0,60}(must be|is too large|too large:|should be|at most|less than or equal)`)
	// throttleText keeps a limit on speed from being taken for one on size.
	throttleText = regexp.MustCompile(`(?i)throttl|rate.?limit|too many requests|please wait|per (second|minute|min|hour|day)\b|\b[TR]P[SMHD]\b`)
	quotaText    = regexp.MustCompile(`(?i)exceeded your current quota|per[ -]day|\b[TR]PD\b|daily (limit|quota)|quota exceeded`)
	billingText  = regexp.MustCompile(`(?i)insufficient[ _](balance|credits?|funds|quota)|credit balance is too low|out of credits|account balance`)
	// filterText matches the words of a content filter. The words count before the
	// codes, because some filters send the code of a missing permission.
	filterText = regexp.MustCompile(`(?i)content management policy|content filter(ing)? policy|flagged by .*content filter` +
		`|violat\w+ (\w+ ){0,3}(usage|content|community|safety|acceptable use)( \w+)? (guidelines?|polic(y|ies))|failed check: ?safety|safety_check_type` +
		`|(input|prompt|content|text)s? (was|were|has been|is) (flagged|blocked by)|flagged as (potentially )?(violating|unsafe|harmful|inappropriate)` +
		`|content exists risk|considered high risk|(blocked|rejected|refused) (by|due to|because of) (\w+ ){0,3}(safety|content|moderation)` +
		`|(rejected|blocked|stopped) (as a result of|by) (our|the) safety system`)
	authText = regexp.MustCompile(`(?i)api[ _]key not valid|(incorrect|invalid) api[ _]key`)
	// speedText matches rate limits that some gateways report with status 400.
	speedText = regexp.MustCompile(`(?i)throttlingexception|too many requests`)
	// neverText tells of a request that a server cannot read or serve: the same
	// request fails for ever, whatever the status.
	neverText = regexp.MustCompile(`(?i)failed to parse (tool call arguments|messages)` +
		`|\b(image|images|audio|video|vision|multimodal|multi-modal|file|pdf)\b( (input|inputs|content|data|url))? (is|are) not (supported|enabled)` +
		`|(does not|doesn't|do not|cannot) (support|accept|handle|process) (\w+ )?(tools|tool calls?|tool calling|function calling|image|images|vision|audio|multimodal)\b` +
		`|(not|n't) (a )?multi-?modal model|unsupported content\W? part type|only .{1,20} content type is supported` +
		`|failed to (load|decode|process) (the )?(image|audio)|requires? (the )?\W?--jinja` +
		`|\bjson: cannot unmarshal |\[json\.exception\.|failed to deserialize the json body` +
		`|json schema (conversion failed|error at)|unrecognized schema:|unsupported (\$ref|ref:)|(error resolving|cannot resolve) (\$)?ref` +
		`|roles must alternate|unexpected message role|(system|developer) (role|message) (is )?not supported|raise_exception`)
	// modelText matches errors about a missing model.
	modelText = regexp.MustCompile("(?i)\\bmodel[ :]+[\"'`]?[^\\s\"'`]+[\"'`]? (does not exist|not found|is not found)\\b" +
		`|\bmodel (does )?not exist\b|\b(unknown|no such|invalid) model( name)?\b|not a valid model( id)?\b` +
		`|no available channels? (for|under)|无可用渠道`)
	// brokenText matches errors of a server that a person must repair.
	brokenText = regexp.MustCompile(`(?i)requires more system memory|(unable|failed) to load model|error loading model|unknown model architecture`)
	// mistakeText matches errors of a server that could not read the call that the
	// model wrote.
	mistakeText = regexp.MustCompile(`(?i)failed to parse input at pos|failed to call a function|tool call validation failed|error parsing tool call`)
	limitText   = regexp.MustCompile(`(?i)limit:? (\d+), requested:? (\d+)`)
)

// longestHint is up to which wait a share of the day is a matter of patience.
const longestHint = time.Hour

// kind classifies a failure: by a code that leaves no doubt, by the words that
// a status alone does not tell apart, and by the status.
func (f errorBody) kind(status int, wait time.Duration) llm.ErrorKind {
	if status >= 500 && f.quotedStatus != 0 {
		status = f.quotedStatus // a gateway's own says less
	}
	if k := f.coded(strongCodes); k != "" && (k != llm.KindPermission || !filterText.MatchString(f.message)) {
		return k
	}
	throttled := status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable || status == 529 ||
		throttleText.MatchString(f.message)
	switch {
	case neverText.MatchString(f.message) && status != http.StatusTooManyRequests && status != http.StatusNotFound:
		return llm.KindInvalidRequest
	case f.neverFits(), status == http.StatusBadRequest && f.empty && strings.HasSuffix(f.host, ".cerebras.ai"):
		return llm.KindContextOverflow
	case !throttled && overflowText.MatchString(f.message) && !capText.MatchString(f.message):
		return llm.KindContextOverflow
	case filterText.MatchString(f.message):
		return llm.KindContentFilter
	case status < 500 && billingText.MatchString(f.message):
		return llm.KindQuota
	case (status < 400 || status == http.StatusTooManyRequests) && quotaText.MatchString(f.message) && (wait == 0 || wait > longestHint):
		return llm.KindQuota
	case status < 500 && authText.MatchString(f.message):
		return llm.KindAuth
	case status == http.StatusBadRequest && speedText.MatchString(f.message):
		return llm.KindRateLimit
	case (status < 400 || status >= 500) && f.modelless():
		return llm.KindNotFound
	case status == http.StatusRequestEntityTooLarge:
		return f.tooLarge(throttled)
	case status >= 400:
		return kindOfStatus(status, f.coded(weakCodes))
	}
	if k := f.coded(weakCodes); k != "" {
		return k
	}
	if throttled {
		return llm.KindRateLimit
	}
	return llm.KindServer
}

// modelless reports a missing model. A gateway without a server for the model may
// report the status of a server failure.
func (f errorBody) modelless() bool {
	return f.coded(map[string]llm.ErrorKind{"model_not_found": llm.KindNotFound}) != "" || modelText.MatchString(f.message)
}

// knownCode returns the first of the codes whose meaning is known, or "".
func (f errorBody) knownCode() string {
	for _, code := range []string{f.code, f.inner, f.typ} {
		low := strings.ToLower(code)
		if strongCodes[low] != "" || weakCodes[low] != "" {
			return code
		}
	}
	return ""
}

func (f errorBody) coded(kinds map[string]llm.ErrorKind) llm.ErrorKind {
	for _, code := range []string{f.code, f.reason, f.inner, f.typ} {
		if k := kinds[strings.ToLower(code)]; k != "" {
			return k
		}
	}
	return ""
}

// How often a request is sent again for other reasons than its kind.
const (
	retriesAsked   = 2 // as the official clients do
	retriesMistake = 1 // the model may do better, and may not
)

// retries is [llm.APIError.Retries]: what the provider asks for, unless no retry
// can succeed, and what we know of models that make mistakes and of servers that
// will not come back by themselves.
func (f errorBody) retries(h http.Header, kind llm.ErrorKind) int {
	asked := strings.ToLower(strings.TrimSpace(h.Get("X-Should-Retry")))
	switch {
	case asked == "false", kind == llm.KindServer && brokenText.MatchString(f.message):
		return -1
	case f.code == "tool_use_failed" || mistakeText.MatchString(f.message):
		return retriesMistake
	case asked == "true" && kind == llm.KindInvalidRequest:
		return retriesAsked
	}
	return 0
}

// tokenCount is a number by itself, and none in the name of a model.
var tokenCount = regexp.MustCompile(`(?:^|[\s:(])(\d{3,9})\b`)

// limitAlone is the only number of a wording, where it is the bound.
var limitAlone = regexp.MustCompile(`(?i)\b(exceeds?|exceeded|limit|maximum|max size|at most)\b[^.\d]{0,40}$`)

// overflow returns how many tokens there were and how many there may be. In all
// wordings known these are the first two numbers, and too many is the larger.
func (f errorBody) overflow() (tokens, limit int64) {
	if f.tokens > 0 || f.limit > 0 {
		return f.tokens, f.limit
	}
	m := tokenCount.FindAllStringSubmatchIndex(f.message, 2)
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(f.message[m[i][2]:m[i][3]], 10, 64)
		return n
	}
	switch len(m) {
	case 0:
		return 0, 0
	case 1:
		if !limitAlone.MatchString(f.message[:m[0][2]]) {
			return 0, 0
		}
		return 0, number(0)
	}
	return max(number(0), number(1)), min(number(0), number(1))
}

// neverFits reports whether one request asks for more than a minute's share:
// no wait helps, a shorter request does.
func (f errorBody) neverFits() bool {
	m := limitText.FindStringSubmatch(f.message)
	if m == nil {
		return false
	}
	most, _ := strconv.ParseInt(m[1], 10, 64)
	asked, _ := strconv.ParseInt(m[2], 10, 64)
	return asked > most
}

// tooLarge tells the meanings of 413 apart.
func (f errorBody) tooLarge(throttled bool) llm.ErrorKind {
	switch {
	case f.empty: // Cerebras says no more than this of too many tokens
		return llm.KindContextOverflow
	case throttled:
		return llm.KindRateLimit
	}
	return llm.KindTooLarge
}

func kindOfStatus(status int, coded llm.ErrorKind) llm.ErrorKind {
	switch status {
	case http.StatusUnauthorized, http.StatusProxyAuthRequired:
		return llm.KindAuth
	case http.StatusPaymentRequired:
		return llm.KindQuota
	case http.StatusForbidden:
		return llm.KindPermission
	case http.StatusNotFound:
		return llm.KindNotFound
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return llm.KindTimeout
	case http.StatusConflict:
		return llm.KindConflict
	case http.StatusTooManyRequests:
		return llm.KindRateLimit
	case http.StatusServiceUnavailable, 529:
		return llm.KindOverloaded
	}
	if status >= 500 {
		return llm.KindServer
	}
	if coded == llm.KindNotFound {
		return coded
	}
	return llm.KindInvalidRequest
}
