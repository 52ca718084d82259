// Package rawjson reads and writes JSON member by member, for packages that must
// control each byte.
//
// [Members], [Elements] and [Member] walk text that json.Valid has accepted. A walk
// makes one pass without building a tree, and yields each value as it stands in the
// text, so unknown members can be kept byte for byte. A walk
// yields duplicate members, too. Text that is not JSON gives any result, but does no harm.
//
// An [Object], [Marshal] and [AppendString] write JSON without the escapes for HTML,
// because these escapes cost tokens and models copy them.
package rawjson
