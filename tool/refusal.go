package tool

import "errors"

// Refused returns the refusal of a document by a check of the program, with the text for
// the model. After [Hide], the text does not say the reason; after [Retry], it is the hint.
// The failure is Denied.
func (f Form) Refused(err error) *Error {
	text := "Your answer was refused: " + err.Error()
	if r, ok := errors.AsType[*retryError](err); ok {
		text = r.hint
	}
	if e, ok := errors.AsType[*Error](err); ok {
		text = "Your answer was refused: " + e.Message
	}
	if _, ok := errors.AsType[*hiddenError](err); ok {
		text = "Your answer was refused. The reason is not for you to see."
	}
	return failedAnswer(Denied, text, err)
}
