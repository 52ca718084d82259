package runnertest

var Diff = diff
