//go:build !race

package kill_test

const raceEnabled = false
