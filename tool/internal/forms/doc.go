// Package forms makes the schemas that a model sees.
//
// [ToWire] drops the keywords that providers refuse. [Normalize] and [Shown] prepare
// schemas from elsewhere: they read the draft of the schema, repair common mistakes, and
// show the schema in draft 2020-12.
//
// [StrictForm] rewrites a schema for "strict": true, where a provider forces the model
// to follow the schema, or says why no such form exists. A form must not lose a call
// that the tool accepts.
package forms
