package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A report is the result of all measurements.
type report struct {
	workloads []workload
	peers     []peer
	all       []figures
	setting   string // machine, versions, options
}

// A row is a peer in the table of a workload: medians over the rounds, and ratios to the
// first peer, each a median of the ratios within a round. A slow spell of the machine
// therefore changes little.
type row struct {
	peer                             string
	wrong                            string // what is wrong with a run; "" for nothing
	cpu, wall, bytes, allocs, rss    float64
	cpuX, wallX, bytesX, allocX, rsX float64
}

// rows returns the peers that have the form of a workload. A peer with a wrong run has no
// figures.
func (r report) rows(w workload) (rows []row) {
	base := r.of(r.peers[0], w)
	for _, p := range r.peers {
		mine := r.of(p, w)
		if len(mine) == 0 || mine[0].NoForm {
			continue
		}
		one := row{peer: p.name}
		for _, f := range slices.Concat(mine, base) {
			one.wrong = cmp.Or(one.wrong, f.Wrong)
		}
		if one.wrong == "" {
			one.fill(mine, base)
		}
		rows = append(rows, one)
	}
	return rows
}

func (r report) of(p peer, w workload) []figures {
	return slices.DeleteFunc(slices.Clone(r.all), func(f figures) bool { return f.Peer != p.name || f.Workload != w.name })
}

func (r *row) fill(mine, base []figures) {
	both := func(of func(figures) float64) (value, ratio float64) {
		values, ratios := make([]float64, len(mine)), make([]float64, len(mine))
		for i := range mine {
			values[i] = of(mine[i])
			if b := of(base[i]); b > 0 {
				ratios[i] = values[i] / b
			}
		}
		return median(values), median(ratios)
	}
	r.cpu, r.cpuX = both(func(f figures) float64 { return f.CPU * 1e3 })
	r.wall, r.wallX = both(func(f figures) float64 { return f.Wall * 1e3 })
	r.bytes, r.bytesX = both(func(f figures) float64 { return f.Bytes / 1024 })
	r.allocs, r.allocX = both(func(f figures) float64 { return f.Allocs })
	r.rss, r.rsX = both(func(f figures) float64 { return f.RSS / 1024 })
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[n/2] + sorted[(n-1)/2]) / 2
}

// table writes the figures of all workloads.
func (r report) table(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, load := range r.workloads {
		fmt.Fprintf(w, "\n%s: %s\n", load.name, load.about)
		fmt.Fprint(w, "peer\tCPU ms\tx\twall ms\tx\tKB\tx\tallocs\tx\t")
		if load.atOnce {
			fmt.Fprint(w, "RSS KB\tx\t")
		}
		fmt.Fprintln(w)
		for _, row := range r.rows(load) {
			if row.wrong != "" {
				fmt.Fprintf(w, "%s\twrong: %s\t\n", row.peer, row.wrong)
				continue
			}
			fmt.Fprintf(w, "%s\t%.3f\t%.2f\t%.3f\t%.2f\t%.1f\t%.2f\t%.0f\t%.2f\t", row.peer, row.cpu, row.cpuX, row.wall, row.wallX, row.bytes, row.bytesX, row.allocs, row.allocX)
			if load.atOnce {
				fmt.Fprintf(w, "%.1f\t%.2f\t", row.rss, row.rsX)
			}
			fmt.Fprintln(w)
		}
	}
	return w.Flush()
}

// bars writes the CPU ratios as bars. A bar that is longer than the line ends in >.
func (r report) bars(to io.Writer) {
	const unit, longest = 12, 60
	fmt.Fprintf(to, "\nCPU as a ratio to %s; shorter is better\n", r.peers[0].name)
	for _, load := range r.workloads {
		fmt.Fprintln(to, load.name)
		for _, row := range r.rows(load) {
			n := int(row.cpuX*unit + 0.5)
			bar := strings.Repeat("█", min(n, longest))
			if n > longest {
				bar += ">"
			}
			fmt.Fprintf(to, "  %-15s %s %.2f\n", row.peer, bar, row.cpuX)
		}
	}
}

// setting describes the conditions of the measurements.
func (o options) setting(now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, medians of %d rounds, at most %v for each measurement\n", now.UTC().Format(time.DateOnly), o.rounds, o.budget)
	fmt.Fprintf(&b, "%s %s/%s, %d processors%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), processor())
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return b.String()
	}
	measured := []string{"github.com/openai/openai-go/v3", "github.com/sashabaranov/go-openai", "github.com/cloudwego/eino",
		"github.com/cloudwego/eino-ext/components/model/openai", "github.com/santhosh-tekuri/jsonschema/v6"}
	for _, m := range info.Deps {
		if slices.Contains(measured, m.Path) {
			fmt.Fprintf(&b, "%s %s\n", m.Path, m.Version)
		}
	}
	return b.String()
}

// processor returns the name of the processor where the system tells it.
func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	_, rest, found := strings.Cut(string(info), "model name\t: ")
	if !found {
		return ""
	}
	name, _, _ := strings.Cut(rest, "\n")
	return ", " + name
}

// publish prints the report, and writes it to the files of the options.
func (o options) publish(r report) error {
	if err := r.print(os.Stdout); err != nil {
		return err
	}
	if o.svg != "" {
		if err := os.WriteFile(o.svg, r.svg(), 0o644); err != nil {
			return err
		}
	}
	if o.readme != "" {
		if err := r.replace(o.readme); err != nil {
			return err
		}
	}
	for _, f := range r.all {
		if f.Wrong != "" {
			return fmt.Errorf("%s, %s: %s", f.Workload, f.Peer, f.Wrong)
		}
	}
	return nil
}

func (r report) print(to io.Writer) error {
	fmt.Fprint(to, r.setting)
	if err := r.table(to); err != nil {
		return err
	}
	if err := r.growth(to); err != nil {
		return err
	}
	r.bars(to)
	return nil
}

// The marks around the table of a page.
const begin, end = "<!-- table -->\n", "<!-- end of table -->\n"

// replace replaces the table of a page.
func (r report) replace(file string) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(page), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		return fmt.Errorf("%s has no table", file)
	}
	var text strings.Builder
	if err := r.print(&text); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(before+begin+"```text\n"+text.String()+"```\n"+end+after), 0o644)
}
