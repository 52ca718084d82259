package tool

import "github.com/seed-916e8f6a/toolloop/tool/internal/tree"

// A wording has the texts for a document that does not fit its schema. The model wrote
// the document as the arguments of a call, or as its answer.
type wording struct {
	mismatch   string // before the list of problems
	tooComplex string
	notChecked string
	unreadable string // problem of a document that fits the schema and not the Go type
	misfit     func(detail string, cause error) *Error
}

func callOf(tool string) wording {
	return wording{
		mismatch:   "Arguments for " + tool + " do not match its schema",
		tooComplex: "The arguments are too complex to check against the schema of " + tool + ": send simpler ones.",
		notChecked: "The arguments could not be checked against the schema of " + tool + ".",
		unreadable: "does not have the form that the tool reads",
		misfit:     func(detail string, cause error) *Error { return Fail(InvalidArguments, detail, cause) },
	}
}

// answer is the wording for answers; see [Form].
var answer = wording{
	mismatch:   "Your answer does not match its schema",
	tooComplex: "Your answer is too complex to check against its schema: send a simpler one.",
	notChecked: "Your answer could not be checked against its schema.",
	unreadable: "does not have the form that the program reads",
	misfit:     func(detail string, cause error) *Error { return failedAnswer(InvalidArguments, detail, cause) },
}

func failedAnswer(f Failure, detail string, cause error) *Error {
	detail = tree.SafeText(detail, tree.MaxMessage-256) // leaves room for the last sentence
	return &Error{Failure: f, Message: detail + "\nReply again with only the corrected JSON.", Err: cause}
}
