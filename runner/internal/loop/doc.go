// Package loop is the tool-calling loop as a pure state machine, without I/O, clock and
// goroutines.
//
// [Next] returns the next action of a [State]. The caller executes the action and applies
// the resulting events with [State.Apply]. The same events in the same order always give
// the same state, so a journal of events is enough to continue a conversation in another
// process.
//
// The words of this package: action, state, class (of an answer), status (of a call).
package loop
