// Package loop is the tool-calling loop as a pure state machine: no I/O, no
// clock, no goroutine. [Next] says what is to be done in a state, somebody does
// it, and what came of it enters by [State.Apply]. The same events applied in
// the same order give the same state, wherever they come from.
package loop
