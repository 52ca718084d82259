// Orderdesk is the back office of a shop.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
)

func main() {
	where := flag.String("db", "orderdesk.db", "an SQLite `file`, or the URL of a PostgreSQL database")
	copies := flag.Int("load", 0, "work off this many copies of the requests at once, and measure that")
	flag.Parse()
	if *copies > 0 {
		given := ""
		flag.Visit(func(f *flag.Flag) {
			if f.Name == "db" {
				given = *where
			}
		})
		if err := runLoad(context.Background(), os.Stdout, given, *copies); err != nil {
			log.Fatal(err)
		}
		return
	}
	if err := run(context.Background(), *where); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, where string) (err error) {
	d, err := desk.Open(ctx, where)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if _, err := d.Seed(ctx); err != nil {
		return err
	}
	data, err := d.Export(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%d users, %d products, %d orders\n", len(data.Users), len(data.Products), len(data.Orders))
	return nil
}
