// Package tape records exchanges with a real model in files, and answers from these
// files in later runs of a test.
//
// [Record] writes, [Replay] reads. Both return a [Tape], which stands in front of an
// [llm.Model] ([Tape.Model]) or of an [net/http.RoundTripper] ([Tape.Transport]). A
// tape compares requests by content, and writes no secret: keys are cut out of
// headers, URLs and bodies.
package tape
