// Package tree holds JSON text as an ordered tree: parsed with limits, changed in
// place, and written again as it was.
//
// A [Value] keeps the order of members and the spelling of numbers, which maps of
// encoding/json lose. [Parse] names the byte at which text is not JSON, and repairs
// text that has one reading only.
//
// The package also knows which keywords of JSON Schema hold schemas, because every
// other room below tool walks schemas, and it has the helpers for the texts that a
// model reads: clipping, quoting, lists of names, the closest name.
package tree
