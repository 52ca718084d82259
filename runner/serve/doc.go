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
// The handler does not authenticate visitors. Put your authentication in front of the handler,
// and let Config.Session return a name within reach of this visitor only. In the example
// above, the name of a user must not contain a slash: otherwise the user "a" with the id "b/1"
// reaches the session of the user "a/b".
package serve
