package llmtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

type (
	sink     = func(llm.Delta)
	generate = func(ctx context.Context, req *llm.Request, sink sink) (*llm.Response, error)
)

// noSink is a sink for models that call theirs without looking.
func noSink(s sink) sink {
	if s == nil {
		return func(llm.Delta) {}
	}
	return s
}

// onResponse breaks what comes back.
func onResponse(f func(req *llm.Request, resp *llm.Response)) func(*testing.T, generate) generate {
	return func(_ *testing.T, g generate) generate {
		return func(ctx context.Context, req *llm.Request, s sink) (*llm.Response, error) {
			resp, err := g(ctx, req, s)
			if err == nil {
				f(req, resp)
			}
			return resp, err
		}
	}
}

// onRequest breaks what is sent.
func onRequest(f func(req *llm.Request)) func(*testing.T, generate) generate {
	return func(_ *testing.T, g generate) generate {
		return func(ctx context.Context, req *llm.Request, s sink) (*llm.Response, error) {
			own := *req
			f(&own)
			return g(ctx, &own, s)
		}
	}
}

// onError breaks what goes wrong.
func onError(f func(ctx context.Context, err error) (*llm.Response, error)) func(*testing.T, generate) generate {
	return func(_ *testing.T, g generate) generate {
		return func(ctx context.Context, req *llm.Request, s sink) (*llm.Response, error) {
			resp, err := g(ctx, req, s)
			if err != nil {
				return f(ctx, err)
			}
			return resp, err
		}
	}
}

// onSink breaks how deltas are shown.
func onSink(f func(s sink) sink) func(*testing.T, generate) generate {
	return func(_ *testing.T, g generate) generate {
		return func(ctx context.Context, req *llm.Request, s sink) (*llm.Response, error) {
			return g(ctx, req, f(noSink(s)))
		}
	}
}

func onCalls(f func(i int, c *llm.ToolCall)) func(*testing.T, generate) generate {
	return onResponse(func(_ *llm.Request, resp *llm.Response) {
		for i, p := range resp.Message.Parts {
			if c, ok := p.(llm.ToolCall); ok {
				f(i, &c)
				resp.Message.Parts[i] = c
			}
		}
	})
}

// The suite bites: each of these models is wrong in one way, and the rule says so.
func TestConformanceFindsWhatIsBroken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		breaks     func(t *testing.T, g generate) generate
		rule, says string
	}{
		"shows deltas on a goroutine of its own": {
			onSink(func(s sink) sink {
				return func(d llm.Delta) {
					done := make(chan struct{})
					go func() { defer close(done); s(d) }()
					<-done
				}
			}),
			"the sink", `the sink got llm.ReasoningDelta{Text:"Hm, "} on a goroutine other than the caller's`,
		},
		"shows two deltas at once": {
			onSink(func(s sink) sink {
				return func(d llm.Delta) {
					var both sync.WaitGroup
					both.Go(func() { s(d) })
					s(d)
					both.Wait()
				}
			}),
			"the sink", "the sink got ",
		},
		"shows a delta too late": {
			func(t *testing.T, g generate) generate {
				return func(ctx context.Context, req *llm.Request, s sink) (*llm.Response, error) {
					resp, err := g(ctx, req, s)
					if s != nil && req.Stream {
						go func() {
							for range 100 {
								runtime.Gosched() // Generate returns meanwhile
							}
							s(llm.TextDelta{Text: "late"})
						}()
					}
					return resp, err
				}
			},
			"the sink", `the sink got llm.TextDelta{Text:"late"} `,
		},
		"shows nothing": {
			onSink(func(sink) sink { return func(llm.Delta) {} }),
			"the sink", "the sink got no delta of a streamed answer",
		},
		"loses a delta": {
			onSink(func(s sink) sink {
				lost := false
				return func(d llm.Delta) {
					if _, text := d.(llm.TextDelta); text && !lost {
						lost = true
						return
					}
					s(d)
				}
			}),
			"an answer: text and a call", `streamed: the text of the deltas: got "me see.", want "Let me see."`,
		},
		"begins again without saying so": {
			func(_ *testing.T, g generate) generate {
				return func(ctx context.Context, req *llm.Request, s sink) (*llm.Response, error) {
					if req.Stream && ctx.Err() == nil && len(req.Messages) > 0 {
						noSink(s)(llm.TextDelta{Text: "Let "})
					}
					return g(ctx, req, s)
				}
			},
			"an answer: text and a call", `streamed: the text of the deltas: got "Let Let me see.", want "Let me see."`,
		},
		"numbers all calls alike": {
			onSink(func(s sink) sink {
				return func(d llm.Delta) {
					if c, ok := d.(llm.CallDelta); ok {
						c.Index = 0
						d = c
					}
					s(d)
				}
			}),
			"an answer: calls in their order", `streamed: the id of call 0 was "call_1" in one delta and "call_2" in another`,
		},
		"shows an answer that is not streamed": {
			func(_ *testing.T, g generate) generate {
				return func(ctx context.Context, req *llm.Request, s sink) (*llm.Response, error) {
					own := *req
					own.Stream = true
					return g(ctx, &own, s)
				}
			},
			"no deltas of an answer that is not streamed", `the sink got llm.TextDelta{Text:"One, "}, and the request has no Stream`,
		},
		"does not stream": {
			onRequest(func(req *llm.Request) { req.Stream = false }),
			"the request arrives", "request 1 arrived as\n  stream false",
		},
		"differs when it streams": {
			onResponse(func(req *llm.Request, resp *llm.Response) {
				if req.Stream {
					resp.Usage = llm.Usage{}
				}
			}),
			"an answer: usage", "streamed: the usage: got llm.Usage{InputTokens:0,",
		},
		"ignores its context": {
			func(_ *testing.T, g generate) generate {
				return func(ctx context.Context, req *llm.Request, s sink) (*llm.Response, error) {
					return g(context.WithoutCancel(ctx), req, s)
				}
			},
			"a context that ends while it waits", "ctx had ended: Generate did not return within 1s",
		},
		"goes on showing after its context": {
			func(_ *testing.T, g generate) generate {
				return func(ctx context.Context, req *llm.Request, s sink) (*llm.Response, error) {
					if ctx.Err() != nil {
						return nil, context.Cause(ctx)
					}
					resp, err := g(context.WithoutCancel(ctx), req, s)
					if ctx.Err() != nil {
						return nil, context.Cause(ctx)
					}
					return resp, err
				}
			},
			"a context that ends at a delta", `the sink got llm.TextDelta{Text:"two, "} after ctx had ended`,
		},
		"says that a context has ended, not why": {
			onError(func(ctx context.Context, err error) (*llm.Response, error) {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				return nil, err
			}),
			"a context that ends at a delta", "got the error context canceled (*errors.errorString), want context.Cause: llmtest: the caller cancelled",
		},
		"answers although its context has ended": {
			onError(func(ctx context.Context, err error) (*llm.Response, error) {
				if ctx.Err() != nil {
					return &llm.Response{}, nil
				}
				return nil, err
			}),
			"a context that has ended sends nothing", "a response came although ctx had ended",
		},
		"asks before it looks at its context": {
			func(_ *testing.T, g generate) generate {
				return func(ctx context.Context, req *llm.Request, s sink) (*llm.Response, error) {
					resp, err := g(context.WithoutCancel(ctx), req, nil)
					if ctx.Err() != nil {
						return nil, context.Cause(ctx)
					}
					return resp, err
				}
			},
			"a context that has ended sends nothing", "the request was sent although ctx had ended",
		},
		"makes words of errors": {
			onError(func(_ context.Context, err error) (*llm.Response, error) { return nil, errors.New(err.Error()) }),
			"an error of kind quota", "got the error quota (*errors.errorString), want an *llm.APIError",
		},
		"takes all errors for one": {
			onError(func(_ context.Context, err error) (*llm.Response, error) {
				return nil, &llm.APIError{Kind: llm.KindServer, Err: err}
			}),
			"an error of kind auth", `got an error of kind "server", want "auth": server: auth`,
		},
		"takes an error for an answer": {
			onError(func(context.Context, error) (*llm.Response, error) { return &llm.Response{}, nil }),
			"an error of kind not_found", "got a response, and the provider failed",
		},
		"forgets how long to wait": {
			onError(func(_ context.Context, err error) (*llm.Response, error) {
				if api, ok := errors.AsType[*llm.APIError](err); ok {
					return nil, &llm.APIError{Kind: api.Kind}
				}
				return nil, err
			}),
			"retry after", "RetryAfter: got 0, want 7200000000000",
		},
		"takes a cut for an end": {
			onError(func(ctx context.Context, err error) (*llm.Response, error) {
				if api, ok := errors.AsType[*llm.APIError](err); ok && api.Kind == llm.KindTruncated {
					return &llm.Response{Message: llm.Assistant("One, two, ")}, nil
				}
				return nil, err
			}),
			"an answer that breaks off", `the text after an answer that broke off: got "One, two, ", want "One, two, three, four."`,
		},
		"tries again without saying so": {
			func(_ *testing.T, g generate) generate {
				return func(ctx context.Context, req *llm.Request, s sink) (*llm.Response, error) {
					resp, err := g(ctx, req, s)
					if api, ok := errors.AsType[*llm.APIError](err); ok && api.Kind == llm.KindTruncated {
						return g(ctx, req, s)
					}
					return resp, err
				}
			},
			"an answer that breaks off", `the text of the deltas after an answer that broke off: got "One, two, One, two, three, four.", want "One, two, three, four."`,
		},
		"sends what is invalid": {
			onRequest(func(req *llm.Request) {
				req.N, req.ToolChoice = 0, ""
				if len(req.Messages) == 0 {
					req.Messages = []llm.Message{llm.User("")}
				}
			}),
			"a request that is invalid is not sent", "the request was not refused",
		},
		"changes the request": {
			func(_ *testing.T, g generate) generate {
				return func(ctx context.Context, req *llm.Request, s sink) (*llm.Response, error) {
					if len(req.Messages) > 1 {
						req.Messages[len(req.Messages)-1] = llm.User("changed")
					}
					return g(ctx, req, s)
				}
			},
			"the request is not changed", "the request was changed:\n",
		},
		"forgets what tools answered": {
			onRequest(func(req *llm.Request) {
				req.Messages = slices.Clone(req.Messages)
				for i, m := range req.Messages {
					for _, r := range m.Results() {
						r.Parts = nil
						req.Messages[i].Parts = llm.Parts{r}
					}
				}
			}),
			"the request arrives", "and was sent as\n",
		},
		"keeps too much in a memo": {
			onRequest(func(req *llm.Request) {
				kept := req.Memo.Slot("instructions", func() any { return req.Instructions })
				req.Instructions = kept.(string)
			}),
			"a history that grows, with a memo", "request 2 arrived as\n  stream false\n  tool f: What f does.\n  tool g: What g does.\n  system: \"This is turn 0\"",
		},
		"gives all callers one response": {
			func(_ *testing.T, g generate) generate {
				var mu sync.Mutex
				kept := map[string]*llm.Response{}
				return func(ctx context.Context, req *llm.Request, s sink) (*llm.Response, error) {
					mu.Lock()
					defer mu.Unlock()
					if len(req.Messages) == 1 && kept[req.Messages[0].Text()] != nil && ctx.Err() == nil && !req.Stream {
						return kept[req.Messages[0].Text()], nil
					}
					resp, err := g(ctx, req, s)
					if len(req.Messages) == 1 {
						kept[req.Messages[0].Text()] = resp
					}
					return resp, err
				}
			},
			"the response is the caller's", `the text of a second response, after the first was changed: got "changedchanged", want "One."`,
		},
		"takes one caller for another": {
			func(_ *testing.T, g generate) generate {
				var first sync.Once
				var text string
				return onRequest(func(req *llm.Request) {
					if len(req.Messages) == 1 {
						first.Do(func() { text = req.Messages[0].Text() })
						req.Messages = []llm.Message{llm.User(text)}
					}
				})(nil, g)
			},
			"concurrent use", "the text for one of many callers: got ",
		},
		"leaves a goroutine behind": {
			func(t *testing.T, g generate) generate {
				return func(ctx context.Context, req *llm.Request, s sink) (*llm.Response, error) {
					go func() { <-t.Context().Done() }()
					return g(ctx, req, s)
				}
			},
			"no goroutine is left", "goroutines that Generate started still run after 16 calls, and ",
		},
		"forgets members": {
			onCalls(func(_ int, c *llm.ToolCall) { c.Extra = nil }),
			"members that nobody modelled", `the members of a call: got []llm.Member(nil), want []llm.Member{llm.Member{Name:"signature", Value:"\"s 1\""}}`,
		},
		"writes arguments anew": {
			onCalls(func(_ int, c *llm.ToolCall) {
				var b bytes.Buffer
				if json.Compact(&b, []byte(c.Arguments)) == nil {
					c.Arguments = b.String()
				}
			}),
			"an answer: a call", `the calls: got []string{"f({\"city\":\"Zürich\",\"n\":[1,2.50]})"}, want []string{"f({\"city\": \"Zürich\", \"n\":[1, 2.50]})"}`,
		},
		"turns the calls round": {
			onResponse(func(_ *llm.Request, resp *llm.Response) { slices.Reverse(resp.Message.Parts) }),
			"an answer: calls in their order", `the calls: got []string{"f({\"a\":2})",`,
		},
		"takes a refusal for text": {
			onResponse(func(_ *llm.Request, resp *llm.Response) {
				if r := resp.Message.Refusal(); r != "" {
					resp.Message.Parts = llm.Parts{llm.Text{Text: r}}
				}
			}),
			"an answer: a refusal", `the refusal: got "", want "I will not do that."`,
		},
		"mixes thinking and text": {
			onResponse(func(_ *llm.Request, resp *llm.Response) {
				if r := resp.Message.Reasoning(); r != "" {
					resp.Message.Parts = llm.Parts{llm.Text{Text: r + resp.Message.Text()}}
				}
			}),
			"an answer: reasoning", `the text: got "Hm, let me think about it.Yes.", want "Yes."`,
		},
		"knows only its own finish reasons": {
			onResponse(func(_ *llm.Request, resp *llm.Response) { resp.Finish.Raw = string(resp.Finish.Reason) }),
			"an answer: a finish reason that nobody knows", `Raw:"other", Native:""}, want llm.Finish{Reason:"other", Raw:"weird"`,
		},
		"takes length for stop": {
			onResponse(func(_ *llm.Request, resp *llm.Response) { resp.Finish = llm.FinishOf("stop", "") }),
			"an answer: length", `the finish reason: got llm.Finish{Reason:"stop", Raw:"stop"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := llmtest.CheckModel(t, time.Second, func(t *testing.T, steps ...llmtest.Step) llm.Model {
				return llm.ModelFunc(c.breaks(t, llmtest.NewScript(steps...).Generate))
			})
			require.Contains(t, found[c.rule], c.says, "%v", found)
		})
	}
	t.Run("nothing", func(t *testing.T) {
		t.Parallel()
		require.Empty(t, llmtest.CheckModel(t, 10*time.Second, func(_ *testing.T, steps ...llmtest.Step) llm.Model {
			return llmtest.NewScript(steps...)
		}))
	})
}
