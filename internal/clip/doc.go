// Package clip shortens texts for messages, errors and logs. A cut never splits a
// character.
//
//   - [Cut] shortens to a number of bytes, without a mark.
//   - [Bytes] and [Runes] mark the cut with an ellipsis.
//   - [Counted] also says how many bytes are missing.
//
// A text within the limit stays unchanged.
package clip
