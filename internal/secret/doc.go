// Package secret removes credentials from texts that people and models read.
//
//   - [Redact] knows credentials by their place in a URL. [CutUserinfo] does the same
//     with a choice of rules.
//   - [OfUser], [OfQuery] and [IsHeader] find the credentials that a program itself
//     sends. The program then removes these values, in the order of [LongestFirst],
//     wherever a text repeats them.
package secret
