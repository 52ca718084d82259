// Chat is a conversation in the terminal with an agent that rolls dice and sets
// timers. ^C cancels an unfinished answer. At the prompt, ^C, /quit and the end of
// the input end the program.
//
// The tools and the agent are in assistant.go, which you can copy. This file has the
// flags, the input and the output of the examples.
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
	if c.prompts {
		c.Notice("Ask for dice or a timer. ^C cancels an answer; /quit ends the program.")
	}
	return c.talk(bufio.NewReader(os.Stdin))
}

type chat struct {
	*cli.App  // embedded: the flags and the output of the program
	assistant *agent.Agent
	session   *runner.Session
	prompts   bool // stdin is a terminal
	answered  bool
}

// talk answers each line of the input.
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

// read returns the next line, and an error with the last line.
func (c *chat) read(in *bufio.Reader) (string, error) {
	if c.prompts {
		c.Prompt()
	}
	line, err := in.ReadString('\n')
	return strings.TrimSpace(line), err
}

// turn answers one line. A returned error ends the chat. After a first answer at a
// terminal, turn prints the error and the chat continues, because the user would
// lose the conversation and can try again.
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
			c.Text("\n") // after the ^C that the terminal shows
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
