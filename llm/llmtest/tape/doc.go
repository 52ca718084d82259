// Package tape records the interactions with a real model in files, and answers from these
// files in later runs of a test. Most tests use [Replay]:
//
//	recorded := tape.Replay(t, "testdata/refund")
//	model := recorded.Model(openai.Model("gpt-4o-mini"))
//
// The first run needs -update or TOOLLOOP_UPDATE=1 and a key, and records. Later runs use no
// network. [Tape.Transport] does the same for the HTTP client of any library. A tape compares
// requests by content, and removes known secrets from headers, URLs and bodies; see [Tape],
// Secrets.
package tape
