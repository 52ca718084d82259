//go:build race

package mutant

// With the race detector an input takes ten times as long, and formats have few races.
// So only every tenth mutant is tested.
const portion = 10
