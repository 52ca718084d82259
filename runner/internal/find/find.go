// Package find ranks short documents, such as tools with a name and a description, by the
// words of a query.
package find

import (
	"cmp"
	"math"
	"slices"
)

// The constants of BM25, as in most search engines.
const (
	saturation = 1.2  // of a repeated word
	byLength   = 0.75 // how much a long text counts less
	nameWeight = 3    // a word of the name counts as so many words of the description
)

// An Index is a list of documents for searches. An Index does not change, and is safe for
// concurrent use.
type Index struct {
	postings map[string][]posting
	length   []float64 // of each document, in words
	mean     float64
}

// A posting says how often a word is in a document.
type posting struct {
	document int
	count    float64
}

// A Document is what the words of a query are compared with.
type Document struct{ Name, Description string }

// New returns an Index of the documents.
func New(documents []Document) *Index {
	x := &Index{postings: map[string][]posting{}, length: make([]float64, len(documents))}
	for i, d := range documents {
		for _, w := range words(d.Name) {
			x.add(i, w, nameWeight)
		}
		for _, w := range words(d.Description) {
			x.add(i, w, 1)
		}
		x.mean += x.length[i] / float64(len(documents))
	}
	return x
}

func (x *Index) add(document int, word string, count float64) {
	x.length[document] += count
	list := x.postings[word]
	if n := len(list); n > 0 && list[n-1].document == document {
		list[n-1].count += count
		return
	}
	x.postings[word] = append(list, posting{document, count})
}

// Search returns the numbers of at most limit documents that have a word of the query, the
// best first. Documents with the same rank keep their order.
func (x *Index) Search(query string, limit int) []int {
	score := map[int]float64{}
	for _, w := range distinct(words(query)) {
		list := x.postings[w]
		rarity := math.Log(1 + (float64(len(x.length)-len(list))+0.5)/(float64(len(list))+0.5))
		for _, p := range list {
			norm := saturation * (1 - byLength + byLength*x.length[p.document]/x.mean)
			score[p.document] += rarity * p.count * (saturation + 1) / (p.count + norm)
		}
	}
	found := make([]int, 0, len(score))
	for document := range score {
		found = append(found, document)
	}
	slices.SortFunc(found, func(a, b int) int { return cmp.Or(cmp.Compare(score[b], score[a]), cmp.Compare(a, b)) })
	return found[:min(len(found), limit)]
}

func distinct(words []string) []string {
	slices.Sort(words) // the order of a sum of floats is then always the same
	return slices.Compact(words)
}
