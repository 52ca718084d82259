package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A command is a command of the program.
type command struct {
	form, about string // "show ID"
	min, max    int    // the number of arguments
	makes       bool   // creates a missing database
	office      func(*office, context.Context, []string) error
	alone       func() error // runs without a database
}

const many = math.MaxInt

func commands() []command {
	return []command{
		{form: "work", about: "work off the queue (also the default)", makes: true, office: (*office).work},
		{form: "list", about: "print the requests and their states", office: (*office).list},
		{form: "show ID", about: "print a request and its conversation", min: 1, max: 1, office: (*office).show},
		{form: "add TEXT", about: "add a request; add - reads a request from each line of stdin", min: 1, max: many, makes: true, office: (*office).add},
		{form: "approve ID [CALL]", about: "approve the calls that wait, or one of them", min: 1, max: 2, office: (*office).approve},
		{form: "deny ID [CALL] [REASON]", about: "deny them; the model reads the reason", min: 1, max: many, office: (*office).deny},
		{form: "retry [ID…]", about: "try failed requests again: all, or these", max: many, office: (*office).retry},
		{form: "help", about: "this page", alone: func() error { help(os.Stdout); return nil }},
	}
}

func (c command) name() string {
	name, _, _ := strings.Cut(c.form, " ")
	return name
}

// help prints the commands and flags.
func help(to io.Writer) {
	var b strings.Builder
	b.WriteString("usage: orderdesk [flags] [command]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-24s %s\n", c.form, c.about)
	}
	b.WriteString("\nflags:\n")
	flag.CommandLine.SetOutput(&b)
	flag.PrintDefaults()
	_, _ = io.WriteString(to, b.String())
}

// parse parses the command line and returns the command and its arguments. Flags may
// also follow the name of the command. An error is one line.
func (o *office) parse(words []string) (command, []string, error) {
	all := commands()
	flags := flag.CommandLine
	name, args := "work", []string(nil)
	err := flags.Parse(words)
	if err == nil && flags.NArg() > 0 {
		name = flags.Arg(0)
		err = flags.Parse(flags.Args()[1:])
		args = flags.Args()
	}
	if errors.Is(err, flag.ErrHelp) {
		name, args, err = "help", nil, nil
	}
	if err != nil {
		return command{}, nil, err
	}
	at := slices.IndexFunc(all, func(c command) bool { return c.name() == name })
	if at < 0 {
		return command{}, nil, fmt.Errorf("there is no command %q", name)
	}
	c := all[at]
	if len(args) < c.min || len(args) > c.max {
		return c, nil, fmt.Errorf("usage: orderdesk %s", c.form)
	}
	if name == "add" && strings.TrimSpace(strings.Join(args, "")) == "" {
		return c, nil, errNoText
	}
	return c, args, o.check()
}

// check validates the flags before the program touches anything.
func (o *office) check() error {
	switch {
	case o.where == "":
		return errors.New(`-db "" names no database`)
	case o.workers < 1:
		return fmt.Errorf("-workers %d: at least 1 is required", o.workers)
	case o.pause < 0:
		return fmt.Errorf("-pause %v: it cannot be negative", o.pause)
	case o.lease < time.Second:
		return fmt.Errorf("-lease %v: it must be 1s or more", o.lease)
	case given("load") && o.load < 1:
		return fmt.Errorf("-load %d: at least 1 is required", o.load)
	}
	return nil
}

// given reports whether the command line has a flag.
func given(name string) (is bool) {
	flag.Visit(func(f *flag.Flag) { is = is || f.Name == name })
	return is
}

func number(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not the number of a request", text)
	}
	return id, nil
}
