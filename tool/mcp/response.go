package mcp

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// missingID is the id that a response gets if its own id names no request: if the id is
// null, missing, or of a type that JSON-RPC does not allow. The SDK sees it, too.
const missingID = "toolloop.internal/unnamed"

// invalidResponse returns the error of a request with an unreadable response. The
// text begins with "the server".
func invalidResponse(text string) *jsonrpc.Error {
	return &jsonrpc.Error{Code: codeInvalidResponse, Message: text}
}

// readMessage reads a message. It reads responses leniently, since a request gets no
// second response: the error may have any form, the id may have another type, and the
// version is ignored.
func readMessage(text []byte) (jsonrpc.Message, error) {
	all, err := members(text)
	if err == nil {
		if answer := readResponse(all); answer != nil {
			return answer, nil
		}
	}
	return jsonrpc.DecodeMessage(text)
}

// readResponse returns nil if the message is not a response but, for example, a
// request, or a line of a log that has a member "error".
func readResponse(all []member) *jsonrpc.Response {
	var id, result, failure json.RawMessage
	versioned, odd := false, false
	for _, m := range all {
		switch m.name {
		case "jsonrpc":
			versioned = true
		case "id":
			id = m.value
		case "result":
			result = m.value
		case "error":
			failure = m.value
		case "method":
			return nil
		default:
			odd = true
		}
	}
	if string(failure) == "null" || result != nil && (string(failure) == "false" || string(failure) == `""`) {
		failure = nil // as in JSON-RPC 1.0
	}
	answer := &jsonrpc.Response{ID: readID(id), Result: result}
	switch {
	case !versioned && (odd || result == nil && failure == nil):
		return nil
	case failure != nil:
		answer.Result, answer.Error = nil, readError(failure)
	case result == nil && answer.ID.Raw() == missingID:
		return nil
	case result == nil:
		answer.Error = invalidResponse("the server answered with neither a result nor an error")
	}
	return answer
}

// truncatedResponse returns a failed response for a line that is not JSON but looks
// like a response, and nil for every other line.
func truncatedResponse(text []byte) jsonrpc.Message {
	if json.Valid(text) || !bytes.HasPrefix(text, []byte("{")) || !bytes.Contains(text, []byte(`"jsonrpc"`)) || bytes.Contains(text, []byte(`"method"`)) {
		return nil
	}
	return &jsonrpc.Response{ID: readID(nil), Error: invalidResponse("the server sent a response that cannot be read: " + line(string(text), maxSnippet))}
}

func readID(raw json.RawMessage) jsonrpc.ID {
	var id any
	if json.Unmarshal(raw, &id) != nil {
		id = nil
	}
	if number, ok := id.(float64); id == nil || ok && number != math.Trunc(number) {
		id = missingID
	}
	made, err := jsonrpc.MakeID(id)
	if err != nil {
		made, _ = jsonrpc.MakeID(missingID) // cannot fail: the id is a string
	}
	return made
}

// readError reads an error of any form. A code that is not a number becomes a part of
// the text.
func readError(raw json.RawMessage) *jsonrpc.Error {
	e := &jsonrpc.Error{Code: codeServerError}
	var code, message json.RawMessage
	if (fields{"code": &code, "message": &message, "data": &e.Data}).decode(raw) != nil {
		e.Message = jsonText(raw) // the error is not an object
	}
	e.Message = cmp.Or(e.Message, jsonText(message))
	if e.Message == "" {
		e.Message = jsonText(e.Data)
	}
	if e.Message == "" && code == nil && string(raw) != "{}" {
		e.Message = jsonText(raw)
	}
	said := jsonText(code)
	switch number, err := strconv.ParseFloat(said, 64); {
	case err == nil && number == math.Trunc(number) && math.Abs(number) < 1<<53 && number != codeInvalidResponse:
		e.Code = int64(number)
	case err != nil && !strings.Contains(e.Message, said):
		e.Message = strings.TrimSpace(e.Message + " (" + said + ")")
	}
	return e
}

// isInvalidResponse reports whether err was made by [invalidResponse].
func isInvalidResponse(err error) bool {
	e, ok := errors.AsType[*jsonrpc.Error](err)
	return ok && e.Code == codeInvalidResponse
}

// jsonText returns the text of a JSON string, and the JSON of every other value. For
// null it returns "".
func jsonText(raw json.RawMessage) string {
	var text *string
	if json.Unmarshal(raw, &text) != nil {
		return compact(raw)
	}
	if text == nil {
		return ""
	}
	return *text
}

// maxSnippet bounds the text that is quoted from an invalid response, in bytes.
const maxSnippet = 256

// errorText returns the message of an error body, or of a body that came in place of a
// response. An HTML page has no message, so the result is "".
func errorText(kind string, text []byte) string {
	text = bytes.TrimSpace(text)
	all, err := members(text)
	if err != nil {
		if bytes.HasPrefix(text, []byte("<")) || kind != typeJSON && kind != typePlain {
			return ""
		}
		return line(string(text), maxSnippet)
	}
	if answer := readResponse(all); answer != nil && answer.Error != nil {
		return line(answer.Error.Error(), maxSnippet)
	}
	for _, name := range []string{"error_description", "message", "detail", "error", "title"} {
		for _, m := range all {
			if said := jsonText(m.value); m.name == name && said != "" {
				return line(said, maxSnippet)
			}
		}
	}
	return line(string(text), maxSnippet)
}
