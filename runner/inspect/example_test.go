package inspect_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/inspect"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// inBackground goes on with sessions in the background. The program waits for runs before
// it ends.
func inBackground(r runner.Runner, desk *agent.Agent, runs *sync.WaitGroup) func(context.Context, string, runner.Input) error {
	return func(ctx context.Context, session string, in runner.Input) error {
		recorded := make(chan error, 1) // the first of two values counts
		tell := func(err error) {
			select {
			case recorded <- err:
			default:
			}
		}
		runs.Go(func() {
			var last error
			for ev, err := range r.Session(session).Stream(context.WithoutCancel(ctx), desk, in) {
				last = err
				switch b := ev.Body.(type) {
				case event.ApprovalDecided, event.InDoubtDecided:
					tell(nil)
				case event.ToolCallFinished:
					if b.Given != nil { // a result from outside
						tell(nil)
					}
				}
			}
			tell(last)
		})
		select {
		case err := <-recorded:
			return err
		case <-ctx.Done(): // the visitor has left
			return context.Cause(ctx)
		}
	}
}

// A program without a queue goes on with the session in the background. Answer returns when
// the session has recorded the answer, so the visitor reads the error of an answer that does
// not fit.
func ExampleHandler() {
	pay := tool.Must(tool.New("pay", "Pays.", func(context.Context, struct{}) (string, error) { return "paid", nil }, tool.NeedsApproval()))
	desk := &agent.Agent{Name: "desk", Model: llmtest.NewScript(llmtest.Calls("pay", nil), llmtest.Text("It is paid.")), Tools: []tool.Tool{pay}}
	store := new(journal.Memory)
	r := runner.Runner{Journal: store}
	var runs sync.WaitGroup
	pages := &inspect.Handler{
		Reader: store,
		Visitor: func(r *http.Request) inspect.Visitor {
			name, _, _ := r.BasicAuth() // or the login of the program
			return inspect.Visitor{Name: name, Answers: name == "ann"}
		},
		Answer: inBackground(r, desk, &runs),
	}
	mux := http.NewServeMux()
	mux.Handle("/debug/sessions/", pages)

	result, err := r.Session("invoice-7").Run(context.Background(), desk, runner.Say(llm.User("Pay.")))
	fmt.Println(errors.Is(err, runner.ErrPaused))

	// What the browser of ann sends:
	question := result.Pending[0]
	form := url.Values{"do": {"approve"}, "seq": {strconv.FormatInt(question.Seq, 10)}, "hash": {question.Hash}}
	post := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/debug/sessions/?session=invoice-7&"+form.Encode(), http.NoBody)
	post.SetBasicAuth("ann", "secret")
	post.PostForm = form
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, post)
	fmt.Println(w.Code, w.Header().Get("Location"))

	runs.Wait()
	state, err := r.Session("invoice-7").State(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(state.Status, state.Text)
	// Output:
	// true
	// 303 ?session=invoice-7#waits
	// finished It is paid.
}
