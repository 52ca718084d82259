// Package inspect shows the sessions of a journal in a browser, for the people who run
// and build agents: a list with filters, the page of a session while the session goes on,
// and the questions of paused sessions.
//
//	mux.Handle("/debug/sessions/", &inspect.Handler{Reader: store})
//
// Nothing is served unless a program mounts a [Handler]. The pages have the whole content
// of the events, with the instructions of the agents. So the pages are for people who may
// read the journal. The program decides about these people, in front of the Handler or
// with Visitor.
//
// A Handler without Visitor and Answer only reads, without a lock or a lease. With both,
// visitors answer the questions of paused sessions:
//
//	&inspect.Handler{
//		Reader:  store,
//		Visitor: func(r *http.Request) inspect.Visitor {
//			user := userOf(r)
//			return inspect.Visitor{Name: user.Email, Answers: user.Support}
//		},
//		Answer: func(ctx context.Context, session string, in runner.Input) error {
//			_, err := jobs.Put(ctx, nil, queue.Job{Session: session}, in)
//			return err
//		},
//	}
//
// The pages load nothing from elsewhere, and run no script from an event. Without scripts
// the pages work, but do not change on their own. All links begin with a question mark, so
// a Handler works below any path, with [http.StripPrefix] or without, and behind a reverse
// proxy that changes the path.
package inspect
