// Package sample makes JSON documents that fit a JSON Schema, for tests that need
// arguments of a tool.
//
// [Document] follows the schema keyword by keyword: references, allOf and unions
// first, then one value of a permitted type. Numbers are often at their bounds, and
// texts contain characters that often break programs. The same seed and name always
// give the same document.
//
// A generator cannot understand every schema, so the caller gives Document a check.
// A document that fails the check is thrown away, and Document makes another one, 50
// times at most. [Check] validates like a tool.
package sample
