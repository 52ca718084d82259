package runnertest

import "encoding/json"

// Documents is the generator behind the Exerciser, without a tool's own check.
func Documents(name string, schema json.RawMessage) func(seed uint64) (json.RawMessage, error) {
	check := held(schema)
	return func(seed uint64) (json.RawMessage, error) { return document(seed, name, schema, check) }
}

// Unchecked is one document of the generator, as it comes.
func Unchecked(seed uint64, name string, schema json.RawMessage) (json.RawMessage, error) {
	return document(seed, name, schema, func(string) error { return nil })
}

var (
	Diff  = diff
	Parse = parse
)
