//go:build !race

package mutant

const portion = 1
