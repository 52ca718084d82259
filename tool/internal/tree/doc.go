// Package tree represents JSON text as an ordered tree that can be changed and written
// again.
//
// A [Value] keeps the order of members and the spelling of numbers, which the maps of
// encoding/json lose. [Parse] enforces limits and reports the position of errors.
// [ParseLoosely] also accepts text that is almost JSON, if only one reading is possible.
//
// All packages below tool walk schemas, so this package also knows which keywords of
// JSON Schema contain schemas. In addition, the package has helpers for texts that a
// model reads: clipping, quoting, lists of names, and the most similar name.
package tree
