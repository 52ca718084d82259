package mcp

import (
	"encoding/json"
	"slices"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// acceptedFailures are the kinds of failures that a server may report. Kinds that mean
// "the call had no effect" are left out, because the runner might repeat such a call.
var acceptedFailures = []tool.Failure{tool.InvalidJSON, tool.InvalidArguments, tool.TimedOut, tool.Panicked, tool.OutcomeUnknown}

// failureOf returns the kind of failure in a result's _meta, if that kind is accepted.
func failureOf(meta json.RawMessage) tool.Failure {
	var kind tool.Failure
	if (fields{FailureMeta: &kind}).decode(meta) != nil || !slices.Contains(acceptedFailures, kind) {
		return tool.Failed
	}
	return kind
}
