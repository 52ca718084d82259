package openai

import (
	"bytes"
	"cmp"
	"encoding/json"
	"html"
	"regexp"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
)

// A errorBody is the description of an error in a body, in any known shape.
type errorBody struct {
	message, code, typ, param string
	status                    int    // HTTP status in the body; 0 means no status
	inner                     string // code of an inner error, or the status as a word
	quotedStatus              int    // HTTP status in the quoted error of another server; 0 means no status
	reason                    string // the reason of details
	reset                     string // X-RateLimit-Reset of metadata.headers
	delay                     string // retryDelay of details
	tokens, limit             int64  // of an overflow
	empty                     bool   // there was no body
	noText                    bool   // message is the whole body, because the body has no known member with a text
	host                      string // the host that sent the response
}

// maxMessage limits the provider's words in an error.
const maxMessage = 2 << 10

// readErrorBody reads the body of an error. It knows the shapes that providers
// send, the most specific first: an "error" object, an "error" string,
// "message", "detail", a list of these shapes, and text that is not JSON.
func readErrorBody(body []byte) errorBody {
	body = bytes.TrimSpace(valid(body))
	if len(body) == 0 {
		return errorBody{empty: true}
	}
	if !rawjson.Valid(body) {
		f := errorBody{message: string(body)}
		if f.unquote(); f.message == string(body) {
			return errorBody{message: excerpt(body)}
		}
		f.message = clip.Bytes(f.message, maxMessage)
		return f
	}
	for e := range rawjson.Elements(body) {
		body = e
		break
	}
	var f errorBody
	f.read(body, 0)
	if f.message == "" {
		f.message, f.noText = clip.Bytes(string(body), maxMessage), true
	}
	f.unquote()
	f.message = clip.Bytes(f.message, maxMessage)
	return f
}

// read reads an object, and then the more specific "error" inside. It follows
// as many levels of nesting as providers use.
func (f *errorBody) read(object []byte, depth int) {
	if s := rawjson.Text(object); s != "" {
		f.message = s
		return
	}
	var inner []byte
	var described, titled string
	for name, v := range rawjson.Members(object) {
		switch name {
		case "message", "Message", "msg", "status_msg", "error_msg", "error_message", "errorMessage":
			f.message = cmp.Or(words(v), f.message)
		case "error_description", "description": // OAuth 2.0, RFC 6749
			described = cmp.Or(rawjson.Text(v), described)
		case "title", "reason": // the first one of RFC 9457
			titled = cmp.Or(titled, rawjson.Text(v))
		case "detail", "details":
			f.details(v)
		case "code":
			f.code = cmp.Or(rawjson.Scalar(v), f.code)
			f.number(v)
		case "status", "status_code":
			f.number(v)
			if rawjson.Kind(v) == '"' {
				f.inner = cmp.Or(f.inner, rawjson.Text(v))
			}
		case "type":
			f.typ = cmp.Or(rawjson.Text(v), f.typ)
		case "param":
			f.param = cmp.Or(rawjson.Scalar(v), f.param)
		case "innererror", "inner_error":
			f.inner = cmp.Or(rawjson.Text(rawjson.Member(v, "code")), f.inner)
		case "metadata":
			f.metadata(v, depth)
		case "n_prompt_tokens":
			f.tokens = count(v)
		case "n_ctx":
			f.limit = count(v)
		case "base_resp":
			f.baseResp(v)
		case "error":
			inner = v
		case "errors":
			for e := range rawjson.Elements(v) {
				inner = e
				break
			}
		}
	}
	switch name := rawjson.Text(inner); {
	case name != "":
		f.name(name, described)
	case depth < 3 && !rawjson.IsNull(inner):
		f.read(inner, depth+1)
	}
	f.message = cmp.Or(joinWords(f.message, described), titled)
}

// errorName matches an "error" string that is a name, not a text.
var errorName = regexp.MustCompile(`^[a-z][a-z0-9]*([_.-][a-z0-9]+)*$`)

// name reads an "error" string: a text, or the name of an error that other
// members describe.
func (f *errorBody) name(s, described string) {
	if errorName.MatchString(s) {
		f.code = cmp.Or(f.code, s)
		if f.message != "" || described != "" {
			return
		}
	}
	f.message = joinWords(s, f.message)
}

// joinWords joins two texts about one error, unless one text contains the second
// text.
func joinWords(a, b string) string {
	switch {
	case strings.Contains(a, b):
		return a
	case strings.Contains(b, a):
		return b
	}
	return a + ": " + b
}

// eventField is the prefix of an event's data. Some servers send an event with
// an error status, too.
var eventField = regexp.MustCompile(`^(event: ?\w+\s+)?data:\s*$`)

// unquote reads the quoted error of the server behind a gateway: JSON inside
// the gateway's words. The gateway's words stay, and the words of the quoted
// error follow.
func (f *errorBody) unquote() {
	from, to := strings.IndexByte(f.message, '{'), strings.LastIndexByte(f.message, '}')
	if from < 0 || to < from || f.noText {
		return
	}
	quoted := []byte(f.message[from : to+1])
	if !rawjson.Valid(quoted) || rawjson.IsNull(rawjson.Member(quoted, "error")) && rawjson.Text(rawjson.Member(quoted, "message")) == "" {
		return
	}
	var behind errorBody
	behind.read(quoted, 1)
	if behind.message == "" {
		return
	}
	before := eventField.ReplaceAllString(f.message[:from], "")
	f.message = strings.TrimSpace(before + behind.message + f.message[to+1:])
	f.quotedStatus = behind.status
	f.inner = cmp.Or(f.inner, behind.knownCode())
	f.delay, f.reset = cmp.Or(f.delay, behind.delay), cmp.Or(f.reset, behind.reset)
	if f.tokens == 0 && f.limit == 0 {
		f.tokens, f.limit = behind.tokens, behind.limit
	}
}

// baseResp reads MiniMax's error number, which is not an HTTP status; 0 means
// success.
func (f *errorBody) baseResp(raw []byte) {
	code := rawjson.Scalar(rawjson.Member(raw, "status_code"))
	if code == "" || code == "0" {
		return
	}
	f.code = cmp.Or(f.code, code)
	f.inner = cmp.Or(f.inner, "base_resp "+code)
	f.message = cmp.Or(f.message, strings.TrimSpace(words(rawjson.Member(raw, "status_msg"))+" ("+code+")"))
}

// number reads an HTTP status.
func (f *errorBody) number(raw []byte) {
	if n, err := strconv.Atoi(rawjson.Scalar(raw)); err == nil && n >= 400 && n <= 599 {
		f.status = n
	}
}

// details reads the words of FastAPI, or Google's list with a delay.
func (f *errorBody) details(raw []byte) {
	for e := range rawjson.Elements(raw) {
		f.delay = cmp.Or(f.delay, rawjson.Text(rawjson.Member(e, "retryDelay")))
		f.reason = cmp.Or(f.reason, rawjson.Text(rawjson.Member(e, "reason")))
	}
	if f.message == "" && f.delay == "" {
		f.message = words(raw)
	}
}

// metadata reads what routers report about the provider behind the router.
func (f *errorBody) metadata(raw []byte, depth int) {
	for name, v := range rawjson.Members(rawjson.Member(raw, "headers")) {
		if strings.EqualFold(name, "X-RateLimit-Reset") {
			f.reset = rawjson.Scalar(v)
		}
	}
	var behind errorBody
	text := rawjson.Text(rawjson.Member(raw, "raw"))
	if rawjson.Valid(text) && depth < 3 {
		behind.read([]byte(strings.TrimSpace(text)), depth+1)
		text = behind.message
	}
	if text != "" && text != f.message {
		f.message = strings.TrimPrefix(f.message+": "+text, ": ")
	}
	f.inner = cmp.Or(f.inner, behind.code)
}

// words returns a string, or any other value as compact JSON.
func words(raw []byte) string {
	if rawjson.Kind(raw) == '"' || rawjson.IsEmpty(raw) {
		return rawjson.Text(raw)
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}

var (
	htmlTitle = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)
	htmlNoise = regexp.MustCompile(`(?is)<(script|style)\b.*?</(script|style)>|<!--.*?-->|<[^>]*>`)
	blanks    = regexp.MustCompile(`\s+`)
)

// excerpt returns the beginning of a body that is not JSON as one line: the
// title of a page, or the text without tags.
func excerpt(body []byte) string {
	text := string(valid(body[:min(len(body), drainBytes)]))
	if len(body) >= drainBytes { // the client stopped reading there
		text += clip.Ellipsis
	}
	if m := htmlTitle.FindStringSubmatch(text); m != nil && strings.TrimSpace(m[1]) != "" {
		text = "an HTML page: " + m[1]
	} else if strings.HasPrefix(strings.TrimSpace(text), "<") {
		text = "an HTML page: " + htmlNoise.ReplaceAllString(text, " ")
	}
	return clip.Bytes(strings.TrimSpace(blanks.ReplaceAllString(html.UnescapeString(text), " ")), 200)
}
