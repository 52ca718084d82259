package openai

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// readResponses reads an answer of the Responses API into a.
func (x *responseReader) readResponses(a *responsesAnswer) (*llm.Response, error) {
	err := x.decode(func(r io.Reader) error { return x.responsesDocument(r, a) }, func(r io.Reader) error { return x.responsesStream(r, a) })
	if err != nil {
		return nil, err
	}
	resp, err := a.result()
	switch {
	case errors.Is(err, errTooMany):
		return nil, err
	case err != nil:
		return nil, x.malformed(err.Error())
	}
	resp.RequestID = requestID(x.resp.Header)
	resp.RateLimits = rateLimits(x.resp.Header, time.Now())
	return resp, nil
}

func (x *responseReader) responsesDocument(r io.Reader, a *responsesAnswer) error {
	return withBuffer(func(space *bytes.Buffer) error { return x.responsesDocumentIn(space, r, a) })
}

func (x *responseReader) responsesDocumentIn(space *bytes.Buffer, r io.Reader, a *responsesAnswer) error {
	data, err := x.wholeBody(r, space)
	switch {
	case err != nil && isStream(data):
		return x.responsesStream(bytes.NewReader(data), a)
	case err != nil:
		return err
	}
	if err := x.responseFailure(data); err != nil {
		return err
	}
	whole, err := a.document(data)
	if err == nil && !whole {
		return cmp.Or(x.statedError(data), x.malformed("the answer has no list \"output\": "+excerpt(data)))
	}
	return err
}

// responsesStream reads events until a terminal one. Nothing but a terminal event
// proves that the answer is whole.
func (x *responseReader) responsesStream(r io.Reader, a *responsesAnswer) error {
	events := x.events(r)
	defer events.release()
	for good := false; ; good = true {
		if err := readUsual(a, events); err != nil {
			return err
		}
		e, err := x.nextEvent(events)
		switch {
		case errors.Is(err, io.EOF), err == nil && isDone(e.data):
			return x.truncated("the stream ended without response.completed, response.incomplete or response.failed")
		case err != nil:
			return err
		}
		if usual, err := readUsualEvent(a, events, e); usual {
			if err != nil {
				return err
			}
			continue
		}
		if err := x.checkEvent(e, good); err != nil {
			return err
		}
		if rawjson.Kind(e.data) != '{' {
			return x.malformed("an event is not a JSON object: " + excerpt(e.data))
		}
		event := readEvent(e.name, e.data)
		if err := x.eventFailure(event, e.data); err != nil {
			return err
		}
		end, err := a.event(event)
		if err != nil {
			return err
		}
		if end {
			x.drain(r)
			return nil
		}
		if !x.general {
			a.shape.learn(a, event, e.data)
		}
	}
}

// eventFailure returns the error that an event reports: an event of the type
// error, response.failed or response.cancelled, a terminal event with an error,
// or an object with an "error".
func (x *responseReader) eventFailure(e responsesEvent, data []byte) error {
	switch string(e.typ) {
	case "error", "response.error":
		return x.apiError(readErrorBody(data), x.resp.StatusCode)
	case "response.failed", "response.cancelled":
		return x.unanswered(e, data)
	case "response.completed", "response.incomplete", "response.done":
		if !isSet(rawjson.Member(e.response, "error")) && slices.Contains(waiting, rawjson.Text(rawjson.Member(e.response, "status"))) {
			return nil // the type of the event says that the answer is whole
		}
		return x.responseFailure(e.response)
	case "":
		if isSet(e.failure) || describesError(data) {
			return x.apiError(readErrorBody(data), x.resp.StatusCode)
		}
	}
	return nil
}

// waiting are the states of a response that is not yet an answer.
var waiting = []string{"queued", "in_progress"}

// unanswered returns the error of a response that failed. The response may lack
// the reason, and even itself.
func (x *responseReader) unanswered(e responsesEvent, data []byte) error {
	switch {
	case isSet(rawjson.Member(e.response, "error")):
		return x.responseFailure(e.response)
	case isSet(e.failure):
		return x.apiError(readErrorBody(data), x.resp.StatusCode)
	}
	message := "the server reports " + string(e.typ) + " without an error"
	if reason := rawjson.Text(rawjson.Member(rawjson.Member(e.response, "incomplete_details"), "reason")); reason != "" {
		message += ": " + clip.Bytes(reason, maxShownID)
	}
	return x.report(&llm.APIError{Kind: llm.KindServer, StatusCode: x.resp.StatusCode, Message: message})
}

// responseFailure returns the error of a response that is no answer: a response
// with an "error", or with a status other than completed and incomplete.
func (x *responseReader) responseFailure(response []byte) error {
	if rawjson.Kind(response) != '{' {
		return x.malformed("the response is not a JSON object: " + excerpt(response))
	}
	if isSet(rawjson.Member(response, "error")) {
		f := readErrorBody(response)
		f.typ = "" // "response" is not the type of an error
		return x.apiError(f, x.resp.StatusCode)
	}
	switch status := rawjson.Text(rawjson.Member(response, "status")); status {
	case "", "completed", "incomplete":
		return nil
	case "queued", "in_progress":
		return x.report(&llm.APIError{
			Kind: llm.KindInvalidRequest, StatusCode: x.resp.StatusCode,
			Message: fmt.Sprintf("the response is %s: an answer in the background (\"background\": true) is not waited for", status),
		})
	default:
		return x.report(&llm.APIError{Kind: llm.KindServer, StatusCode: x.resp.StatusCode, Message: "the response has the status " + clip.Bytes(status, maxShownID)})
	}
}
