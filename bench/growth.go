package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// growth writes how the costs grow from the workload W6 to W6d, which has twice the turns. The
// bytes on the wire grow to four times, because each request has the whole history.
func (r report) growth(to io.Writer) error {
	named := func(name string) int {
		return slices.IndexFunc(r.workloads, func(w workload) bool { return w.name == name })
	}
	half, whole := named("W6"), named("W6d")
	if half < 0 || whole < 0 {
		return nil
	}
	few, many := r.rows(r.workloads[half]), r.rows(r.workloads[whole])
	fmt.Fprintln(to, "\nW6d as a ratio to W6: twice the turns, four times the bytes on the wire")
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "peer\tCPU\tKB\tallocs\t")
	for i := range min(len(few), len(many)) {
		a, b := few[i], many[i]
		if a.peer == b.peer && a.wrong == "" && b.wrong == "" {
			fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.2f\t\n", a.peer, b.cpu/a.cpu, b.bytes/a.bytes, b.allocs/a.allocs)
		}
	}
	return w.Flush()
}
