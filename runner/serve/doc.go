// Package serve lets browsers talk to an agent: a handler for HTTP with a session for each
// conversation. The handler speaks the UI message stream of the AI SDK (useChat of npm "ai"
// 6 and 7) and AG-UI 1.0.
//
//	chat, err := serve.Config{
//		Runner: runner.Runner{Journal: journal.Dir{Path: "sessions"}},
//		Agent:  assistant,
//		Session: func(r *http.Request, id string) (string, error) {
//			return userOf(r) + "/" + id, nil // the middleware of the program knows the user
//		},
//		Person: userOf, // recorded with messages and decisions, and given to Runner.MayAnswer
//	}.Chat()
//	mux.Handle("/api/chat", chat.UIStream())
//	mux.Handle("/api/chat/", chat.UIStream())
//
// A run belongs to its session and not to a request. The run goes on when the page goes, and
// a returning page gets the whole answer, from the journal and from memory. A slow reader
// never holds up a run. After a restart of the program, the first page with an unfinished
// answer continues the run.
//
// Browsers get the public view of the events alone ([event.Event.Public]), and no text of an
// error. The handler takes from a browser only the words of a person: the newest message,
// and decisions about waiting calls. The history, the calls and their arguments come from
// the journal.
//
// # Sessions of another engine
//
// With Config.Open and Config.Reader, the runs belong to other processes, for example to the
// workers of package temporal:
//
//	sessions := temporal.Client{Temporal: c}
//	chat, err := serve.Config{
//		Open:   func(name string) serve.Session { return sessions.Session(name) },
//		Reader: sessions,
//		Agent:  assistant, Session: sessionOf,
//	}.Chat()
//
// The pages then read stored events alone, unless the workers give their deltas to [Chat.Live].
// In one process, temporal.Worker.Watch is chat.Live. From other machines, the program passes the
// JSON of each [event.Live] on to all of its web servers.
//
// # Posts
//
// A client without the AI SDK posts a message of the user like this. The id of the message is
// new for each message, and a post with the same id again has the same answer:
//
//	curl -N http://127.0.0.1:8080/api/chat -H 'Content-Type: application/json' -d '
//	{"id": "c", "message": {"id": "5d0c", "role": "user", "parts": [{"type": "text", "text": "Pay W1."}]}}'
//
// When a call needs approval, the answer has the chunk tool-approval-request with an
// approvalId. The decision is a message of the assistant with this id:
//
//	curl -N http://127.0.0.1:8080/api/chat -H 'Content-Type: application/json' -d '
//	{"id": "c", "message": {"role": "assistant", "parts": [
//		{"state": "approval-responded", "approval": {"id": "r1.t1.c0@5", "approved": false, "reason": "too much"}}]}}'
//
// With "always": "tool" or "always": "arguments" in approval, the answer stands for later calls
// of the conversation, too: for every call of the tool, or for calls with the same arguments. See
// [runner.Pending.ApproveAlways]; [runner.Runner.MayAnswer] can refuse such an answer.
//
// # Calls in doubt
//
// A call is in doubt when the process died during the call: perhaps the call took effect. The
// chat asks about a call in doubt with an ordinary tool-approval-request and with the part
// data-toolloop-doubt (AG-UI: an interrupt with the reason tool_call_in_doubt). Approval runs
// the call again, so the page must show the text of the part as a warning. After a denial, the
// model reads that the effect is unknown.
//
// # Data parts
//
// The UI message stream has these parts beside those of the AI SDK. The names in braces are the
// members of data:
//
//	data-toolloop-doubt     the question is about a call in doubt: {toolCallId, approvalId, text}
//	data-toolloop-helper    an answer of a helper, turn by turn: {toolCallId, agent, text};
//	                        toolCallId is the helper's call. The helper's own calls are tool
//	                        parts whose ids begin with this id and a slash
//	data-toolloop-handoff   another agent goes on with the conversation: {agent}
//	data-toolloop-output    the typed answer of the agent: data is its JSON
//	data-toolloop-partial   the run has failed or was stopped, and the texts of the step are the
//	                        beginning of an answer: {step}; see runner.Runner.KeepPartial
//	data-toolloop-progress  progress of a call: {toolCallId, done, total, message}; transient,
//	                        so useChat gives the part to onData only
//	data-toolloop-restart   the texts of this step so far do not count: {}; see Config.ResetStep
//	data-toolloop-said      a message of the user that came during the answer: {text}
//
// In AG-UI, handoff, partial, progress, restart and said are CUSTOM events such as toolloop.handoff,
// and the typed answer is the result of RUN_FINISHED. A helper is a sub-agent (SUBAGENT_STARTED
// and so on) with the texts and calls of the helper; its id is the helper's call. The chunk
// tool-output-denied has the reason of the denial as reason.
//
// # Security
//
// The handler does not authenticate visitors. Put your authentication in front of the handler,
// and let Config.Session return a name within reach of this visitor only. In the example
// above, the name of a user must not contain a slash: otherwise the user "a" with the id "b/1"
// reaches the session of the user "a/b".
package serve
