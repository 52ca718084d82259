package openai

import (
	"bytes"
	"encoding/json"
	"html"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A failure is what a body says of an error, in whichever shape it came.
type failure struct {
	message, code, typ, param string
	status                    int    // a status of HTTP that the body names, 0 if none
	inner                     string // the code of an inner error, or the status as a word
	reason                    string // the reason of details
	reset                     string // X-RateLimit-Reset of metadata.headers
	delay                     string // retryDelay of details
	tokens, limit             int64  // of an overflow
	empty                     bool   // there was no body
	wordless                  bool   // nothing in it is known to be words: message is the body
	host                      string // that answered
}

// maxMessage bounds the provider's words in an error.
const maxMessage = 2 << 10

// readFailure reads the body of an error. It understands the shapes that
// providers are known to send, the most specific first: an "error" object, an
// "error" string, "message", "detail", a list of these; and what is no JSON.
func readFailure(body []byte) failure {
	body = bytes.TrimSpace(valid(body))
	if len(body) == 0 {
		return failure{empty: true}
	}
	if !json.Valid(body) {
		return failure{message: excerpt(body)}
	}
	for e := range elements(body) {
		body = e
		break
	}
	var f failure
	f.read(body, 0)
	if f.message == "" {
		f.message, f.wordless = clip(string(body), maxMessage), true
	}
	f.message = clip(f.message, maxMessage)
	return f
}

// read takes what an object says, and then what the "error" in it says, which
// is more specific. Of nesting it follows as much as providers do.
func (f *failure) read(object []byte, depth int) {
	if s := str(object); s != "" {
		f.message = s
		return
	}
	var inner []byte
	for name, v := range members(object) {
		switch name {
		case "message", "msg", "status_msg", "error_msg":
			f.message = cmpOr(words(v), f.message)
		case "detail", "details":
			f.details(v)
		case "code":
			f.code = cmpOr(scalar(v), f.code)
			f.number(v)
		case "status", "status_code":
			f.number(v)
			if kind(v) == '"' {
				f.inner = cmpOr(f.inner, str(v))
			}
		case "type":
			f.typ = cmpOr(str(v), f.typ)
		case "param":
			f.param = cmpOr(scalar(v), f.param)
		case "innererror", "inner_error":
			f.inner = cmpOr(str(member(v, "code")), f.inner)
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
			for e := range elements(v) {
				inner = e
				break
			}
		}
	}
	if depth < 3 && !isNull(inner) {
		f.read(inner, depth+1)
	}
}

// baseResp is MiniMax's: a number that is no status of HTTP, 0 if all is well.
func (f *failure) baseResp(raw []byte) {
	code := scalar(member(raw, "status_code"))
	if code == "" || code == "0" {
		return
	}
	f.code = cmpOr(f.code, code)
	f.inner = cmpOr(f.inner, "base_resp "+code)
	f.message = cmpOr(f.message, strings.TrimSpace(words(member(raw, "status_msg"))+" ("+code+")"))
}

// number takes a status of HTTP.
func (f *failure) number(raw []byte) {
	if n, err := strconv.Atoi(scalar(raw)); err == nil && n >= 400 && n <= 599 {
		f.status = n
	}
}

// details are the words of FastAPI, or Google's list with a delay in it.
func (f *failure) details(raw []byte) {
	for e := range elements(raw) {
		f.delay = cmpOr(f.delay, str(member(e, "retryDelay")))
		f.reason = cmpOr(f.reason, str(member(e, "reason")))
	}
	if f.message == "" && f.delay == "" {
		f.message = words(raw)
	}
}

// metadata is what routers say of the provider behind them.
func (f *failure) metadata(raw []byte, depth int) {
	for name, v := range members(member(raw, "headers")) {
		if strings.EqualFold(name, "X-RateLimit-Reset") {
			f.reset = scalar(v)
		}
	}
	var behind failure
	text := str(member(raw, "raw"))
	if json.Valid([]byte(text)) && depth < 3 {
		behind.read([]byte(strings.TrimSpace(text)), depth+1)
		text = behind.message
	}
	if text != "" && text != f.message {
		f.message = strings.TrimPrefix(f.message+": "+text, ": ")
	}
	f.inner = cmpOr(f.inner, behind.code)
}

// words returns a string, or anything else as compact JSON.
func words(raw []byte) string {
	if kind(raw) == '"' || isEmpty(raw) {
		return str(raw)
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

// excerpt returns the beginning of a body that is no JSON as one line: the
// title of a page, or its text without tags.
func excerpt(body []byte) string {
	text := string(valid(body[:min(len(body), drainBytes)]))
	if len(body) >= drainBytes { // which is where reading stopped
		text += ellipsis
	}
	if m := htmlTitle.FindStringSubmatch(text); m != nil && strings.TrimSpace(m[1]) != "" {
		text = "an HTML page: " + m[1]
	} else if strings.HasPrefix(strings.TrimSpace(text), "<") {
		text = "an HTML page: " + htmlNoise.ReplaceAllString(text, " ")
	}
	return clip(strings.TrimSpace(blanks.ReplaceAllString(html.UnescapeString(text), " ")), 200)
}

// ellipsis ends a text that was clipped.
const ellipsis = "…"

// clip cuts text to at most max bytes at the border of a character.
func clip(text string, max int) string {
	if len(text) <= max {
		return text
	}
	for max > 0 && !utf8.RuneStart(text[max]) {
		max--
	}
	return text[:max] + ellipsis
}
