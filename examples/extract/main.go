// Extract reads 20 texts as typed invoices, several texts at the same time. Some texts are
// not invoices, or have a wrong sum. The program prints a table, and a line for each text
// without an invoice.
//
// The type, the check and the agent are in extract.go. Without a key, the model of
// careless.go answers.
package main

import (
	"cmp"
	"context"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"text/tabwriter"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
)

//go:embed invoices.txt
var invoices string

func main() {
	app := cli.Bare()
	app.Own = true
	parallel := flag.Int("parallel", 4, "number of texts that are read at the same time")
	app.Main("extract [flags]", func(app *cli.App) error {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		model := app.Provider.Model(app.Model)
		if app.Embedded {
			model = careless()
			app.Notice("OPENAI_API_KEY is not set: a script with a model's mistakes answers.")
		}
		readings := readAll(ctx, reader(model), strings.Split(invoices, "---\n"), *parallel)
		text, failed := table(readings)
		app.Text(text)
		if failed > 0 {
			return cmp.Or(ctx.Err(), fmt.Errorf("%d of %d texts failed", failed, len(readings)))
		}
		return nil
	})
}

// table returns the invoices as a table, and below the texts without an invoice. A text
// failed if the model has not answered. A text that is not an invoice has not failed.
func table(readings []Reading) (text string, failed int) {
	var b, problems strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "text\tsupplier\tnumber\tlines\ttotal\trefused answers")
	read, sum := 0, 0
	for i, r := range readings {
		switch {
		case r.Err != nil:
			failed++
			fmt.Fprintf(&problems, "text %d failed: %s\n", i+1, cli.OneLine(r.Err.Error()))
		case r.Invoice == nil:
			fmt.Fprintf(&problems, "text %d was not read (refused answers: %d): %s\n", i+1, r.Refused, cli.OneLine(r.Problem))
		default:
			in := r.Invoice
			_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%s\t%d\n", i+1, cli.OneLine(in.Supplier), cli.OneLine(in.Number), len(in.Lines), euros(in.TotalCents), r.Refused)
			read++
			sum += in.TotalCents
		}
	}
	_ = w.Flush() // a strings.Builder has no errors
	return fmt.Sprintf("%s\n%d of %d texts are invoices, together %s euros.\n%s", b.String(), read, len(readings), euros(sum), problems.String()), failed
}
