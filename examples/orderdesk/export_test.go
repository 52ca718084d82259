package main

// What is tested by itself: what -load does, how text is laid out, and what is said
// of a database.
var (
	RunLoad         = runLoad
	Wrap            = wrap
	Typed           = typed
	WithoutPassword = withoutPassword
)
