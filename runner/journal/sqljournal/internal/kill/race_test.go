//go:build race

package kill_test

const raceEnabled = true
