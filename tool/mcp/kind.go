package mcp

import (
	"encoding/json"
	"slices"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// believed are the kinds of failures that a server may name. None of them says that
// a call had no effect: a call might be made again that was made.
var believed = []tool.Failure{tool.InvalidJSON, tool.InvalidArguments, tool.TimedOut, tool.Panicked, tool.OutcomeUnknown}

// failureOf is the kind of failure that a result's _meta names, as far as it is
// believed.
func failureOf(meta json.RawMessage) tool.Failure {
	var kind tool.Failure
	if (fields{FailureMeta: &kind}).decode(meta) != nil || !slices.Contains(believed, kind) {
		return tool.Failed
	}
	return kind
}
