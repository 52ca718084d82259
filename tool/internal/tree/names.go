package tree

import (
	"slices"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
)

// List joins names by commas, as many as fit in room bytes.
func List(names []string, room int) string { return ListOf(names, len(names), room) }

// ListOf is List for the first of total names. If names are missing, the given names
// already exceed room.
func ListOf(names []string, total, room int) string {
	var b strings.Builder
	for i, name := range names {
		if i > 0 && b.Len()+len(name) > room {
			return b.String() + " and " + strconv.Itoa(total-i) + " more"
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(clip.Runes(name, MaxEcho))
	}
	return b.String()
}

// Closest returns the most similar name, or "" if no name is similar. Case, hyphens and
// underscores do not count.
func Closest(written string, names []string) string {
	if len(written) > 100 || len(names) > 1000 {
		return ""
	}
	w := Fold(written)
	best, near := "", len(w)/3+1
	for _, name := range slices.Sorted(slices.Values(names)) {
		if len(name) > 100 {
			continue
		}
		if d := Distance(w, Fold(name)); d < near {
			best, near = name, d
		}
	}
	return best
}

var separators = strings.NewReplacer("_", "", "-", "", " ", "", ".", "")

func Fold(s string) string { return separators.Replace(strings.ToLower(s)) }

// Distance returns the number of runes to insert, delete or replace to turn a into b.
func Distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	row := make([]int, len(t)+1)
	for j := range row {
		row[j] = j
	}
	for i, r := range s {
		diagonal := row[0]
		row[0] = i + 1
		for j, u := range t {
			change := diagonal
			if r != u {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(t)]
}
