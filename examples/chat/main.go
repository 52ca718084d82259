// Chat is a conversation in the terminal with an agent that rolls dice and sets
// timers. ^C cancels the answer that is on its way, and ends the program at the
// prompt; so do /quit and the end of the input.
//
// The tools and the agent are in assistant.go, which can be copied; this file
// has the flags, the lines that are read, and the printing of the examples.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/signal"
	"strings"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

func main() { cli.Main("chat [flags]", run) }

func run(app *cli.App) error {
	c := &chat{
		App:       app,
		assistant: assistant(app.Provider.Model(app.Model)),
		session:   runner.Runner{NoStream: app.NoStream}.Session("chat"),
		prompts:   cli.IsTerminal(os.Stdin) && !app.JSON,
	}
	return c.talk(bufio.NewReader(os.Stdin))
}

type chat struct {
	*cli.App
	assistant *agent.Agent
	session   *runner.Session
	prompts   bool // somebody sits there and types
	answered  bool
}

// talk answers line by line.
func (c *chat) talk(in *bufio.Reader) error {
	for {
		line, end := c.read(in)
		if line == "/quit" {
			return nil
		}
		if line != "" {
			if err := c.turn(line); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(end, io.EOF):
			return nil
		case end != nil:
			return fmt.Errorf("stdin: %w", end)
		}
	}
}

// read returns the next line; with an error if it is the last.
func (c *chat) read(in *bufio.Reader) (string, error) {
	if c.prompts {
		c.Prompt()
	}
	line, err := in.ReadString('\n')
	return strings.TrimSpace(line), err
}

// turn answers one line. An error that it returns ends the chat; in front of
// somebody who had an answer before, others are shown only: he has something to
// lose, and can try again.
func (c *chat) turn(line string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // a second ^C ends the program
	err := c.show(c.session.Stream(ctx, c.assistant, runner.Say(llm.User(line))))
	switch {
	case err == nil:
		c.answered = true
	case errors.Is(err, context.Canceled):
		if c.prompts {
			c.Text("\n") // behind the ^C that the terminal shows
		}
		c.Void("cancelled")
	case c.prompts && c.answered:
		c.Report(err)
	default:
		return err
	}
	return nil
}

func (c *chat) show(events iter.Seq2[event.Event, error]) error {
	for e, err := range events {
		if err != nil {
			return err
		}
		if _, ok := e.Body.(event.UserMessaged); ok && !c.JSON {
			continue // the user has just typed the message
		}
		c.PrintEvent(e)
	}
	return nil
}
