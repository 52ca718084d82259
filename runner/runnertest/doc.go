// Package runnertest helps to test agents: it compares the transcript of a run
// with a golden file, returns the tool calls of a run, calls all tools of an
// agent in a smoke test, and kills a program at every point ([EveryCrash]).
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
// All functions read [runner.Result.Events] and [runner.Result.Earlier]. Run fills
// both fields, with and without a session, and also when the run ends with an
// error. A test that streams can collect the events into a Result. The Result
// itself has the number of turns and the cost: Turns and Usage.
//
// The words of this package:
//
//   - transcript: the text of a run, for people and for comparison; see [Transcript]
//   - golden file: a file with the expected transcript; see [Golden]
//   - effect: something outside of the program that must happen once; see
//     [World.Effect]
package runnertest
