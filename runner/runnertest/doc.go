// Package runnertest helps to test agents: it shows what a run did as text that
// can be kept in a file, answers questions about the tool calls, and exercises
// the tools of an agent by itself.
//
//	func TestRefund(t *testing.T) {
//		script := llmtest.Script(t,
//			llmtest.Calls("refund", RefundArgs{Order: "W1", Cents: 1250}),
//			llmtest.Text("It is on its way."))
//		result, err := runner.Runner{Model: script}.Run(t.Context(), assistant, llm.User("Refund W1."))
//		require.NoError(t, err)
//		require.Equal(t, RefundArgs{Order: "W1", Cents: 1250}, runnertest.Calls[RefundArgs](t, result, "refund")[0].Args)
//		runnertest.Golden(t, result, "testdata/refund.txt")
//	}
//
//	func TestTools(t *testing.T) { runnertest.Exercise(t, assistant) }
//
// All of it reads [runner.Result.Events] and [runner.Result.Earlier], which runs
// made by Run have, in a session or not, and with an error too. A test that
// streams can collect the events into a Result. How many turns a run took and what
// it cost stand in the Result itself: Turns and Usage.
//
// Words owned here: transcript, golden file.
package runnertest
