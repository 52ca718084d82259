// Package validate validates arguments against a compiled JSON Schema, repairs common
// mistakes of models, and explains the remaining problems.
//
// [Compile] makes a [Validator]. The library santhosh-tekuri/jsonschema validates. This
// package replaces the keywords that are slow in the library (enum, const, uniqueItems),
// uses Go's regexp for patterns, and adds fuel.
//
// Fuel bounds schemas from elsewhere: each subschema consumes fuel before its keywords
// are applied to a value, so every validation ends in time. Schemas of Go types need no
// fuel. No other package deals with fuel.
package validate
