package pages

import (
	"fmt"
	"slices"
	"sort"
	"time"
)

// A span is a time with work or a wait.
type span struct {
	from, to time.Time
	kind     string // "model", "call", "call bad", "queue" or "wait"
	label    string
	id       int64 // of the event to look at; 0 for the first of the entry
}

// A strip shows the spans of a session on one axis. Stretches without work are shortened.
type strip struct {
	Height     int
	Bars, Cuts []bar
	Legend     []bar // the kinds of bars that there are
}

// A bar is a span on an axis of 1000 units.
type bar struct {
	Kind, Label string
	X, W        float64
	Y           int
	ID          int64
}

// The axis and the rows of the strip.
const (
	axis     = 1000.0
	minWidth = 1.5
	rowTall  = 12
	maxRows  = 10
)

// times places the spans of all entries: on one axis for the session, and on an axis of
// its turn for each entry of a turn.
func times(entries []*entry) *strip {
	var all []span
	for _, e := range entries {
		collect(e, &all)
	}
	if len(all) == 0 {
		return nil
	}
	scale := newScale(all)
	for _, e := range entries {
		scale.turns(e)
	}
	return scale.strip(all)
}

func collect(e *entry, all *[]span) {
	for i := range e.spans {
		s := &e.spans[i]
		if s.to.Before(s.from) {
			s.to = s.from
		}
		if s.id == 0 && len(e.Marks) > 0 {
			s.id = e.Marks[0].ID
		}
		*all = append(*all, *s)
	}
	for _, inner := range e.Inner {
		collect(inner, all)
	}
}

// A scale turns times into positions.
type scale struct {
	at      []time.Time // sorted
	pos     []float64
	cuts    []int         // stretches that were shortened: from at[i] to at[i+1]
	skipped time.Duration // in sum
}

func newScale(all []span) *scale {
	s := new(scale)
	for _, sp := range all {
		s.at = append(s.at, sp.from, sp.to)
	}
	slices.SortFunc(s.at, time.Time.Compare)
	s.at = slices.CompactFunc(s.at, time.Time.Equal)
	open := make([]int, len(s.at)+1) // how many spans of work begin, less those that end
	for _, sp := range all {
		if sp.kind != "wait" {
			open[s.index(sp.from)]++
			open[s.index(sp.to)]--
		}
	}
	var busy time.Duration
	for i, n := 0, 0; i+1 < len(s.at); i++ {
		if n += open[i]; n > 0 {
			busy += s.at[i+1].Sub(s.at[i])
		}
	}
	longest := max(busy/20, time.Millisecond)
	s.pos = make([]float64, len(s.at))
	for i, n := 0, 0; i+1 < len(s.at); i++ {
		d := s.at[i+1].Sub(s.at[i])
		if n += open[i]; n == 0 && d > longest {
			s.cuts = append(s.cuts, i)
			s.skipped += d - longest
			d = longest
		}
		s.pos[i+1] = s.pos[i] + float64(d)
	}
	return s
}

func (s *scale) index(t time.Time) int {
	return sort.Search(len(s.at), func(i int) bool { return !s.at[i].Before(t) })
}

func (s *scale) position(t time.Time) float64 { return s.pos[s.index(t)] }

// place returns the bar of a span on the axis from the position first to last.
func (s *scale) place(sp span, first, last float64) bar {
	unit := axis / max(last-first, 1)
	x := (s.position(sp.from) - first) * unit
	w := max((s.position(sp.to)-first)*unit-x, minWidth)
	x = min(x, axis-w)
	return bar{Kind: sp.kind, Label: fmt.Sprintf("%s, %s", sp.label, took(sp.to.Sub(sp.from))), X: round(x), W: round(w), ID: sp.id}
}

// round keeps the page small.
func round(x float64) float64 { return float64(int64(x*100)) / 100 }

// turns places the spans of each turn on an axis of its own.
func (s *scale) turns(e *entry) {
	if e.Kind != "turn" {
		for _, inner := range e.Inner {
			s.turns(inner)
		}
		return
	}
	var all []span
	collect(e, &all)
	if len(all) == 0 {
		return
	}
	first, last := s.position(all[0].from), s.position(all[0].to)
	for _, sp := range all {
		first, last = min(first, s.position(sp.from)), max(last, s.position(sp.to))
	}
	s.bars(e, first, last)
}

func (s *scale) bars(e *entry, first, last float64) {
	for _, sp := range e.spans {
		e.Bars = append(e.Bars, s.place(sp, first, last))
	}
	for _, inner := range e.Inner {
		s.bars(inner, first, last)
	}
}

// strip places the spans in rows, so that spans of one row do not overlap, except in the
// last row.
func (s *scale) strip(all []span) *strip {
	slices.SortStableFunc(all, func(a, b span) int { return a.from.Compare(b.from) })
	out := &strip{}
	last := s.pos[len(s.pos)-1]
	ends := make([]time.Time, 1, maxRows) // of the rows; the first row is for the models
	for _, sp := range all {
		row := 0
		if sp.kind != "model" {
			row = 1
		}
		for row < len(ends) && ends[row].After(sp.from) {
			row++
		}
		if row == len(ends) && row < maxRows {
			ends = append(ends, time.Time{})
		}
		row = min(row, maxRows-1)
		ends[row] = sp.to
		b := s.place(sp, 0, last)
		b.Y = row*rowTall + 1
		out.Bars = append(out.Bars, b)
	}
	out.Height = len(ends) * rowTall
	for _, i := range s.cuts {
		unit := axis / max(last, 1)
		x := s.pos[i] * unit
		out.Cuts = append(out.Cuts, bar{Label: took(s.at[i+1].Sub(s.at[i])) + " without work, shortened", X: round(x), W: round(max(s.pos[i+1]*unit-x, minWidth))})
	}
	out.legend(s.skipped)
	return out
}

// legend names the kinds of bars.
func (s *strip) legend(skipped time.Duration) {
	there := map[string]bool{}
	for _, b := range s.Bars {
		there[b.Kind] = true
	}
	for _, b := range []bar{
		{Kind: "model", Label: "model"},
		{Kind: "call", Label: "call"},
		{Kind: "call bad", Label: "call without success"},
		{Kind: "wait", Label: "waits for approval"},
		{Kind: "queue", Label: "waits for its turn"},
	} {
		if there[b.Kind] {
			s.Legend = append(s.Legend, b)
		}
	}
	if len(s.Cuts) > 0 {
		s.Legend = append(s.Legend, bar{Kind: "cut", Label: took(skipped) + " without work left out"})
	}
}
