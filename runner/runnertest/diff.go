package runnertest

import (
	"fmt"
	"slices"
	"strings"
)

const (
	around   = 3       // lines shown before and after a change
	maxCells = 4 << 20 // of the table of common lines
)

// diff shows where two texts differ, line by line: lines marked "-" are only in
// want, lines marked "+" only in got.
func diff(want, got string) string {
	a, b := strings.SplitAfter(want, "\n"), strings.SplitAfter(got, "\n")
	start := 0
	for start < min(len(a), len(b)) && a[start] == b[start] {
		start++
	}
	end := 0
	for end < min(len(a), len(b))-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	lines := edits(a[start:len(a)-end], b[start:len(b)-end])
	before := a[max(0, start-around):start]
	after := a[len(a)-end:][:min(end, around)]
	lines = slices.Concat(marked(" ", before), lines, marked(" ", after))
	return fmt.Sprintf("line %d:\n%s", max(0, start-around)+1, strings.Join(folded(lines), ""))
}

func marked(mark string, lines []string) []string {
	out := make([]string, 0, len(lines))
	for _, line := range lines {
		if line == "" { // SplitAfter returns an empty string after the last line end
			continue
		}
		if !strings.HasSuffix(line, "\n") {
			line += " (no line end)\n"
		}
		out = append(out, mark+" "+line)
	}
	return out
}

// edits turns a into b by lines that are kept, removed and added. Texts that are
// too large to compare are removed and added as a whole.
func edits(a, b []string) []string {
	if (len(a)+1)*(len(b)+1) > maxCells {
		return slices.Concat(marked("-", a), marked("+", b))
	}
	common := commonLines(a, b)
	var out []string
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, marked(" ", a[i:i+1])...)
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			out = append(out, marked("-", a[i:i+1])...)
			i++
		default:
			out = append(out, marked("+", b[j:j+1])...)
			j++
		}
	}
	return out
}

// commonLines returns, for each i and j, how many lines a[i:] and b[j:] share in
// order.
func commonLines(a, b []string) [][]int {
	table := make([][]int, len(a)+1)
	for i := range table {
		table[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				table[i][j] = table[i+1][j+1] + 1
			} else {
				table[i][j] = max(table[i+1][j], table[i][j+1])
			}
		}
	}
	return table
}

// folded leaves out long stretches without a change.
func folded(lines []string) []string {
	var out []string
	for i := 0; i < len(lines); {
		n := 0
		for i+n < len(lines) && lines[i+n][0] == ' ' {
			n++
		}
		switch {
		case n == 0:
			out = append(out, lines[i])
			n = 1
		case n > 2*around+1:
			out = append(out, lines[i:i+around]...)
			out = append(out, fmt.Sprintf("  … %d lines that are the same\n", n-2*around))
			out = append(out, lines[i+n-around:i+n]...)
		default:
			out = append(out, lines[i:i+n]...)
		}
		i += n
	}
	return out
}
