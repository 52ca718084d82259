//go:build race

package mutant

// What an input takes grows tenfold with the race detector, which finds little in
// formats: the ordinary run takes all mutants, the other one in ten.
const portion = 10
