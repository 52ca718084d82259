package sqljournal_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
)

// Sessions live in a database file, beside the tables of the program.
func ExampleOpenSQLite() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "desk")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := sqljournal.OpenSQLite(ctx, filepath.Join(dir, "desk.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	assistant := &agent.Agent{Model: llmtest.NewScript(llmtest.Text("Hello."))}
	r := runner.Runner{Journal: store}
	if _, err := r.Session("chat-7").Run(ctx, assistant, runner.Say(llm.User("Hello."))); err != nil {
		log.Fatal(err)
	}
	var events int
	err = store.DB.QueryRowContext(ctx, `SELECT count(*) FROM toolloop_events WHERE session = 'chat-7'`).Scan(&events)
	fmt.Println(events, "events", err)
	// Output:
	// 5 events <nil>
}
