// Package loop is the tool-calling loop as a pure state machine: no I/O, no
// clock, no goroutine. [Next] returns the next action of a state. The caller
// executes the action and applies the resulting events with [State.Apply]. The same
// events in the same order always give the same state.
package loop
