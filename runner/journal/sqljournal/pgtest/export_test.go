package pgtest

// Without ends a test that has no server.
var Without = without
