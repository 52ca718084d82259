// Package mutant derives inputs for fuzz targets from valid inputs. The same corpus
// gives the same mutants. A target with mutants as seeds does a little fuzzing in each
// ordinary test run, with a reproducible result. The fuzzer itself is run by hand.
package mutant

import (
	"bytes"
	"math/rand/v2"
)

// pieces are inserted into mutants. They are tokens of JSON, HTTP and server-sent
// events.
var pieces = []string{
	"{", "}", "[", "]", `"`, ":", ",", "\\", "\n", "\r\n", "\n\n", " ", "null", "true", "0", "-1", "1e999", "1.0",
	`""`, "{}", "[]", "data:", "data: [DONE]\n\n", "\x00", "\xff", "\u2028", `\u0000`, `\ud800`, "\ufeff", `"type":`, `"index":0`,
}

// Of returns n mutants of the corpus, or n/10 with the race detector. The corpus must
// not be empty. The same corpus gives the same mutants.
func Of(corpus [][]byte, n int) [][]byte {
	r := rand.New(rand.NewPCG(uint64(len(corpus)), uint64(n)))
	out := make([][]byte, n/portion)
	for i := range out {
		m := bytes.Clone(corpus[r.IntN(len(corpus))])
		for range 1 + r.IntN(4) {
			m = mutate(r, m, corpus)
		}
		out[i] = m
	}
	return out
}

// Some returns n, or n/10 with the race detector: the number of inputs of a test that
// makes its own.
func Some(n int) int { return n / portion }

func mutate(r *rand.Rand, m []byte, corpus [][]byte) []byte {
	at := r.IntN(len(m) + 1)
	end := min(len(m), at+1+r.IntN(8))
	switch r.IntN(6) {
	case 0: // truncate
		return m[:at]
	case 1: // delete some bytes
		return append(m[:at:at], m[end:]...)
	case 2: // insert a piece
		return splice(m, at, []byte(pieces[r.IntN(len(pieces))]), at)
	case 3: // repeat some bytes
		return splice(m, end, m[at:end], end)
	case 4: // change a byte
		if at < len(m) {
			m[at] ^= 1 << r.IntN(8)
		}
		return m
	}
	other := corpus[r.IntN(len(corpus))] // continue with the rest of another input
	return splice(m, at, other[min(at, len(other)):], len(m))
}

func splice(m []byte, at int, in []byte, rest int) []byte {
	return append(append(m[:at:at], in...), m[rest:]...)
}
