package main

import (
	"fmt"
	"html"
	"strings"
)

// Sizes of the picture, in pixels.
const (
	svgWidth, svgNames, svgLine = 760, 120, 16
	svgUnit                     = 110 // length of the ratio 1
)

// svg returns the CPU ratios as a picture: a group of bars for each workload.
func (r report) svg() []byte {
	var b strings.Builder
	y := 24
	fmt.Fprintf(&b, `<text x="8" y="%d" font-weight="bold">CPU of a run as a ratio to %s; shorter is better</text>`+"\n", y, html.EscapeString(r.peers[0].name))
	for _, load := range r.workloads {
		y += svgLine * 3 / 2
		fmt.Fprintf(&b, `<text x="8" y="%d" font-weight="bold">%s: %s</text>`+"\n", y, load.name, html.EscapeString(load.about))
		for _, row := range r.rows(load) {
			y += svgLine
			svgBar(&b, row, y)
		}
	}
	for line := range strings.Lines(r.setting) {
		y += svgLine
		fmt.Fprintf(&b, `<text x="8" y="%d" fill="#777">%s</text>`+"\n", y+svgLine, html.EscapeString(strings.TrimSpace(line)))
	}
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n"+
		`<rect width="100%%" height="100%%" fill="white"/>`+"\n%s</svg>\n", svgWidth, y+3*svgLine, b.String())
}

func svgBar(b *strings.Builder, row row, y int) {
	fill, label := "#9aa7b5", fmt.Sprintf("%.2f", row.cpuX)
	if row.peer == toolloop.name {
		fill = "#2f6fb7"
	}
	if row.wrong != "" {
		label = "wrong"
	}
	width := int(row.cpuX * svgUnit)
	if longest := svgWidth - svgNames - 60; width > longest {
		width, label = longest, label+" →"
	}
	fmt.Fprintf(b, `<text x="16" y="%d">%s</text><rect x="%d" y="%d" width="%d" height="11" fill="%s"/><text x="%d" y="%d">%s</text>`+"\n",
		y, html.EscapeString(row.peer), svgNames, y-10, width, fill, svgNames+width+6, y, label)
}
