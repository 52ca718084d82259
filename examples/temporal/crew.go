package main

import (
	"os"
	"os/exec"
	"time"

	"github.com/seed-916e8f6a/toolloop/examples/temporal/internal/bank"
)

// A crew is three worker processes.
type crew struct {
	address string
	bank    bank.Bank
	workers [3]*exec.Cmd
}

func hire(address string, b bank.Bank) (*crew, error) {
	c := &crew{address: address, bank: b}
	for i := range c.workers {
		if err := c.start(i); err != nil {
			c.stop()
			return nil, err
		}
	}
	return c, nil
}

func (c *crew) start(i int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, "-worker", c.address, "-bank", string(c.bank)) //nolint:noctx // it ends by kill
	tie(cmd)
	cmd.Stderr = os.Stderr
	c.workers[i] = cmd
	return cmd.Start()
}

// kill ends a worker at once, at any point.
func (c *crew) kill(i int) {
	if p := c.workers[i]; p != nil && p.Process != nil {
		_ = p.Process.Kill()
		_ = p.Wait()
	}
}

func (c *crew) stop() {
	for i := range c.workers {
		c.kill(i)
	}
}

// killUntil kills a worker soon, then a worker every three seconds, and starts new workers,
// until done.
func (c *crew) killUntil(done <-chan struct{}, say func(string, ...any)) (kills int, err error) {
	for pause := 700 * time.Millisecond; ; pause = 3 * time.Second {
		select {
		case <-done:
			return kills, nil
		case <-time.After(pause):
		}
		i := kills % len(c.workers)
		c.kill(i)
		say("worker %d killed", i)
		if err := c.start(i); err != nil {
			return kills, err
		}
		kills++
	}
}
