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

// unnamed is the id, to us and to the SDK, of an answer that names no request: its id is
// null, missing, or of a type that no id has.
const unnamed = "toolloop.internal/unnamed"

// noAnswer is the error, in the place of an answer, of a request whose answer cannot be
// understood. It begins with "the server".
func noAnswer(text string) *jsonrpc.Error {
	return &jsonrpc.Error{Code: codeNoAnswer, Message: text}
}

// readMessage reads a message. An answer is read as far as it says what it means, since
// it is all that its request will ever get: its error may be of any form, its id of
// another type, and its version is not looked at.
func readMessage(text []byte) (jsonrpc.Message, error) {
	all, err := members(text)
	if err == nil {
		if answer := readAnswer(all); answer != nil {
			return answer, nil
		}
	}
	return jsonrpc.DecodeMessage(text)
}

// readAnswer returns nil for what is no answer, such as a request, or a line of a log
// that has a member "error".
func readAnswer(all []member) *jsonrpc.Response {
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
		failure = nil // as in version 1 of JSON-RPC
	}
	answer := &jsonrpc.Response{ID: readID(id), Result: result}
	switch {
	case !versioned && (odd || result == nil && failure == nil):
		return nil
	case failure != nil:
		answer.Result, answer.Error = nil, readError(failure)
	case result == nil && answer.ID.Raw() == unnamed:
		return nil
	case result == nil:
		answer.Error = noAnswer("the server answered with neither a result nor an error")
	}
	return answer
}

// brokenAnswer is what can be told of a line that is no JSON and looks like an answer;
// nil: it looks like anything else.
func brokenAnswer(text []byte) jsonrpc.Message {
	if json.Valid(text) || !bytes.HasPrefix(text, []byte("{")) || !bytes.Contains(text, []byte(`"jsonrpc"`)) || bytes.Contains(text, []byte(`"method"`)) {
		return nil
	}
	return &jsonrpc.Response{ID: readID(nil), Error: noAnswer("the server answered with what cannot be read: " + line(string(text), maxSaid))}
}

func readID(raw json.RawMessage) jsonrpc.ID {
	var id any
	if json.Unmarshal(raw, &id) != nil {
		id = nil
	}
	if number, ok := id.(float64); id == nil || ok && number != math.Trunc(number) {
		id = unnamed
	}
	made, err := jsonrpc.MakeID(id)
	if err != nil {
		made, _ = jsonrpc.MakeID(unnamed) // a string can be one
	}
	return made
}

// readError reads an error of any form. A code that is no number is a part of the text.
func readError(raw json.RawMessage) *jsonrpc.Error {
	e := &jsonrpc.Error{Code: codeServerError}
	var code, message json.RawMessage
	if (fields{"code": &code, "message": &message, "data": &e.Data}).decode(raw) != nil {
		e.Message = words(raw) // it is no object
	}
	e.Message = cmp.Or(e.Message, words(message))
	if e.Message == "" {
		e.Message = words(e.Data)
	}
	if e.Message == "" && code == nil && string(raw) != "{}" {
		e.Message = words(raw)
	}
	said := words(code)
	switch number, err := strconv.ParseFloat(said, 64); {
	case err == nil && number == math.Trunc(number) && math.Abs(number) < 1<<53 && number != codeNoAnswer:
		e.Code = int64(number)
	case err != nil && !strings.Contains(e.Message, said):
		e.Message = strings.TrimSpace(e.Message + " (" + said + ")")
	}
	return e
}

// isNoAnswer reports whether an error is one of [noAnswer].
func isNoAnswer(err error) bool {
	e, ok := errors.AsType[*jsonrpc.Error](err)
	return ok && e.Code == codeNoAnswer
}

// words are what a value says: a text itself, of anything else its JSON; "" of null.
func words(raw json.RawMessage) string {
	var text *string
	if json.Unmarshal(raw, &text) != nil {
		return compact(raw)
	}
	if text == nil {
		return ""
	}
	return *text
}

// maxSaid is how much is told of what is no answer of the protocol, in bytes.
const maxSaid = 256

// errorWords are what a text says that is an error, or in the place of an answer; "" if
// it is made for a browser.
func errorWords(kind string, text []byte) string {
	text = bytes.TrimSpace(text)
	all, err := members(text)
	if err != nil {
		if bytes.HasPrefix(text, []byte("<")) || kind != typeJSON && kind != typePlain {
			return ""
		}
		return line(string(text), maxSaid)
	}
	if answer := readAnswer(all); answer != nil && answer.Error != nil {
		return line(answer.Error.Error(), maxSaid)
	}
	for _, name := range []string{"error_description", "message", "detail", "error", "title"} {
		for _, m := range all {
			if said := words(m.value); m.name == name && said != "" {
				return line(said, maxSaid)
			}
		}
	}
	return line(string(text), maxSaid)
}
