package runner_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// TestParseInput: each input is the same after its JSON.
func TestParseInput(t *testing.T) {
	t.Parallel()
	p := runner.Pending{Call: "r1.t1.c0", Hash: "h", Key: "k/r1.t1.c0", Seq: 7, ToolCall: llm.ToolCall{ID: "1", Name: "pay"}}
	for _, in := range []runner.Input{
		runner.Say(llm.User("a"), llm.Message{Role: llm.RoleUser, Parts: llm.Parts{llm.Image{URL: "https://example.com/a.png"}}}),
		runner.Once("begin", llm.User("a")),
		p.Approve(), p.Deny(""), p.Deny("no"), p.Edit(json.RawMessage(`{"a":1}`)),
		p.Happened(), p.Happened(llm.Text{Text: "paid"}), p.NotHappened(), p.RunAgain(), p.Unknown(),
	} {
		data, err := json.Marshal(in)
		require.NoError(t, err)
		back, err := runner.ParseInput(data)
		require.NoError(t, err)
		require.Equal(t, in, back, "%s", data)
	}
	for text, want := range map[string]string{
		`{`:                             "runner: the JSON of an input: unexpected end of JSON input",
		`{}`:                            "runner: the JSON of an input has neither messages nor a call",
		`{"call":"c"}`:                  "runner: the JSON of an input has no known decision about call c",
		`{"call":"c","approval":"yes"}`: "runner: the JSON of an input has no known decision about call c",
		`{"call":"c","in_doubt":true,"approval":"approve"}`: "runner: the JSON of an input has no known decision about call c",
		`{"call":"c","in_doubt":true,"doubt":"perhaps"}`:    "runner: the JSON of an input has no known decision about call c",
	} {
		_, err := runner.ParseInput([]byte(text))
		require.EqualError(t, err, want)
	}
	require.Equal(t, event.Unknown, event.Doubt("unknown"), "the words are those of the events")
}
