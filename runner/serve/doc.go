// Package serve lets browsers talk to an agent: a handler for HTTP with a session for each
// conversation. It speaks the UI message stream of the AI SDK (useChat of npm "ai" 6 and 7)
// and AG-UI 1.0.
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
// A run belongs to its session and not to a request. The run goes on when the page goes, and a
// page that comes back gets the answer from its begin, from the journal and from memory. A
// slow reader never holds up a run. After a restart of the program, the first page that asks
// for an unfinished answer continues its run.
//
// Browsers get the public view of the events alone ([event.Event.Public]), and no text of an
// error. The handler takes from a browser what a person says: the newest message, and
// decisions about calls that wait. The history, the calls and their arguments come from the
// journal.
//
// The handler does not know who a visitor is. Put your authentication in front of it, and let
// Config.Session return a name that only this visitor can reach.
package serve
