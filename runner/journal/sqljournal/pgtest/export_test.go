package pgtest

// Skip skips a test that has no server, or fails the test.
var Skip = skip
