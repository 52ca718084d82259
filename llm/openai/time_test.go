package openai_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/memnet"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// piped is a Config whose requests are served by handler, inside the bubble.
func piped(t *testing.T, handler http.HandlerFunc) openai.Config {
	l := memnet.Listen()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // before its end the server does not notice that the client is gone
		handler(w, r)
	})}
	go func() { _ = server.Serve(l) }()
	tr := &http.Transport{DialContext: l.Dial}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		_ = server.Close()
	})
	return openai.Config{BaseURL: "http://pipe.test", HTTPClient: &http.Client{Transport: tr}, Retry: wrap.Retry{Attempts: 1}}
}

// say writes to the client at once.
func say(w http.ResponseWriter, text string) {
	_, _ = io.WriteString(w, text)
	_ = http.NewResponseController(w).Flush()
}

func sse(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/event-stream") }

func gone(r *http.Request) { <-r.Context().Done() }

// pause waits, but no longer than the client does.
func pause(r *http.Request, d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	}
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		change  func(*openai.Config)
		took    time.Duration
		want    string
	}{
		{name: "no first byte", handler: func(_ http.ResponseWriter, r *http.Request) { gone(r) },
			took: 10 * time.Minute, want: "openai: timeout: Config.FirstByteTimeout of 10m0s is over"},
		{name: "a header and no byte after it", handler: func(w http.ResponseWriter, r *http.Request) { say(w, ""); gone(r) },
			took: 10 * time.Minute, want: "openai: timeout: Config.FirstByteTimeout of 10m0s is over"},
		{name: "no first byte, own limit", handler: func(_ http.ResponseWriter, r *http.Request) { gone(r) }, change: func(c *openai.Config) { c.FirstByteTimeout = 3 * time.Second },
			took: 3 * time.Second, want: "openai: timeout: Config.FirstByteTimeout of 3s is over"},
		{name: "a stall", handler: func(w http.ResponseWriter, r *http.Request) {
			sse(w)
			pause(r, time.Minute)
			say(w, events(delta(`{"content":"a"}`)))
			gone(r)
		}, took: 6 * time.Minute, want: "openai: timeout: Config.StallTimeout of 5m0s is over"},
		{name: "comments keep it alive, but not for ever", handler: func(w http.ResponseWriter, r *http.Request) {
			sse(w)
			for r.Context().Err() == nil {
				say(w, ": alive\n\n")
				pause(r, 4*time.Minute+59*time.Second)
			}
		}, took: 30 * time.Minute, want: "openai: timeout: Config.Timeout of 30m0s is over"},
		{name: "one byte at a time", handler: func(w http.ResponseWriter, r *http.Request) {
			for i := 0; r.Context().Err() == nil; i++ {
				say(w, ok[i%len(ok):i%len(ok)+1])
				pause(r, time.Second)
			}
		}, change: func(c *openai.Config) { c.Timeout = time.Minute }, took: time.Minute, want: "openai: timeout: Config.Timeout of 1m0s is over"},
		{name: "white space keeps a document alive", handler: func(w http.ResponseWriter, r *http.Request) {
			for range 5 {
				say(w, "\n")
				pause(r, 4*time.Minute)
			}
			say(w, ok)
		}, took: 20 * time.Minute},
		{name: "no limits", handler: func(w http.ResponseWriter, r *http.Request) { pause(r, 72*time.Hour); say(w, ok) },
			change: func(c *openai.Config) { c.FirstByteTimeout, c.StallTimeout, c.Timeout = -1, -1, -1 }, took: 72 * time.Hour},
		{name: "the finish came before the stall", handler: func(w http.ResponseWriter, r *http.Request) { sse(w); say(w, events(finishStop)); gone(r) }, took: 10 * time.Second},
		{name: "comments after the finish", handler: func(w http.ResponseWriter, r *http.Request) {
			sse(w)
			say(w, events(finishStop))
			for r.Context().Err() == nil {
				pause(r, time.Second)
				say(w, ": alive\n\n"+events(`{"choices":[]}`))
			}
		}, change: func(c *openai.Config) { c.StallTimeout = -1 }, took: 10 * time.Second},
		{name: "nobody waits after done", handler: func(w http.ResponseWriter, r *http.Request) { sse(w); say(w, events(finishStop, "[DONE]")); gone(r) }, took: 100 * time.Millisecond},
		{name: "and the end after done is not waited for if it is there", handler: func(w http.ResponseWriter, _ *http.Request) { sse(w); say(w, events(finishStop, "[DONE]")) }},
		{name: "the limit of the client", handler: func(_ http.ResponseWriter, r *http.Request) { gone(r) }, change: func(c *openai.Config) { c.HTTPClient.Timeout = time.Second },
			took: time.Second, want: "openai: timeout: POST http://pipe.test/v1/chat/completions: context deadline exceeded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := piped(t, tt.handler)
				if tt.change != nil {
					tt.change(&c)
				}
				begin := time.Now()
				_, err := c.Model("m").Generate(t.Context(), hello(), nil)
				require.Equal(t, tt.took, time.Since(begin))
				if tt.want == "" {
					require.NoError(t, err)
					return
				}
				require.EqualError(t, err, tt.want)
				require.True(t, requireKind(t, llm.KindTimeout, err).Retryable())
			})
		})
	}
}

// TestStatusOutlivesItsBody has refusals whose bodies hang: the status counts.
func TestStatusOutlivesItsBody(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		status int
		body   string
		change func(*openai.Config)
		took   time.Duration
		want   string
	}{
		{name: "no byte", status: 401, took: 5 * time.Second, want: "openai: 401 auth: Unauthorized (retry after 7s)"},
		{name: "half of it", status: 500, body: "{", took: 5 * time.Second, want: "openai: 500 server: { (retry after 7s)"},
		{name: "a redirect", status: 302, took: 5 * time.Second,
			want: "openai: 302 invalid_request: POST http://pipe.test/v1/chat/completions is redirected elsewhere: redirects are not followed; set the base URL to where the API is"},
		{name: "a limit that is over sooner", status: 429, change: func(c *openai.Config) { c.FirstByteTimeout = time.Second },
			took: time.Second, want: "openai: 429 rate_limit: Too Many Requests (retry after 7s)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				c := piped(t, func(w http.ResponseWriter, r *http.Request) {
					tries++
					w.Header().Set("Retry-After", "7")
					w.WriteHeader(tt.status)
					say(w, tt.body)
					gone(r)
				})
				if tt.change != nil {
					tt.change(&c)
				}
				begin := time.Now()
				_, err := c.Model("m").Generate(t.Context(), hello(), nil)
				require.EqualError(t, err, tt.want)
				require.Equal(t, tt.took, time.Since(begin))
				require.Equal(t, 1, tries)
			})
		})
	}
	t.Run("but not the caller", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c := piped(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(401); say(w, "{"); gone(r) })
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			_, err := c.Model("m").Generate(ctx, hello(), nil)
			require.Equal(t, context.DeadlineExceeded, err)
		})
	})
}

func TestTokenMayTakeItsTime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		token, took time.Duration
		want        string
	}{
		{name: "longer than the first byte may", token: 3 * time.Second, took: 3 * time.Second},
		{name: "longer than all may", token: time.Hour, took: 20 * time.Second, want: "openai: auth: Config.Token: vault: context canceled: Timeout of 20s is over"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := piped(t, func(w http.ResponseWriter, _ *http.Request) { say(w, ok) })
				c.FirstByteTimeout, c.Timeout = time.Second, 20*time.Second
				c.Token = func(ctx context.Context) (string, error) {
					select {
					case <-time.After(tt.token):
						return "token", nil
					case <-ctx.Done():
						return "", fmt.Errorf("vault: %w", ctx.Err())
					}
				}
				begin := time.Now()
				_, err := c.Model("m").Generate(t.Context(), hello(), nil)
				require.Equal(t, tt.took, time.Since(begin))
				if tt.want == "" {
					require.NoError(t, err)
					return
				}
				require.EqualError(t, err, tt.want)
				require.ErrorIs(t, err, context.Canceled)
			})
		})
	}
}

func TestTimersAreStopped(t *testing.T) {
	t.Parallel()
	require.Zero(t, openai.TimersLeft(t.Context()))
}

func TestSinkMayTakeItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := piped(t, func(w http.ResponseWriter, _ *http.Request) {
			sse(w)
			for range 3 {
				say(w, events(delta(`{"content":"a"}`)))
			}
			say(w, events(finishStop, "[DONE]"))
		})
		c.Timeout = -1
		req := hello()
		req.Stream = true
		resp, err := c.Model("m").Generate(t.Context(), req, func(llm.Delta) { <-time.After(time.Hour) })
		require.NoError(t, err)
		require.Equal(t, "aaa", resp.Message.Text())
	})
}

// TestRetriesOverHTTP has the whole of it: the server's wish, in exact time.
func TestRetriesOverHTTP(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		c := piped(t, func(w http.ResponseWriter, _ *http.Request) {
			if tries++; tries < 3 {
				w.Header().Set("Retry-After", time.Now().Add(12*time.Second).UTC().Format(http.TimeFormat))
				w.WriteHeader(429)
				say(w, `{"error":{"message":"slow down"}}`)
				return
			}
			say(w, ok)
		})
		c.Retry = wrap.Retry{MinDelay: -1} // and so no jitter
		begin := time.Now()
		_, err := c.Model("m").Generate(t.Context(), hello(), nil)
		require.NoError(t, err)
		require.Equal(t, 24*time.Second, time.Since(begin))
		require.Equal(t, 3, tries)
	})
}

func TestCallerEnds(t *testing.T) {
	t.Parallel()
	reason := errors.New("the user left")
	silent := func(_ http.ResponseWriter, r *http.Request) { gone(r) }
	halfway := func(w http.ResponseWriter, r *http.Request) {
		sse(w)
		say(w, events(delta(`{"content":"a"}`)))
		gone(r)
	}
	finished := func(w http.ResponseWriter, r *http.Request) { sse(w); say(w, events(finishStop)); gone(r) }
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
	}{{"before the first byte", silent}, {"halfway", halfway}, {"after the finish", finished}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, end := range []struct {
				name string
				ctx  func(context.Context) (context.Context, context.CancelFunc)
				want error
			}{
				{"deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
					return context.WithTimeout(ctx, 7*time.Second)
				}, context.DeadlineExceeded},
				{"deadline with a cause", func(ctx context.Context) (context.Context, context.CancelFunc) {
					return context.WithTimeoutCause(ctx, 7*time.Second, reason)
				}, reason},
				{"cancelled", func(ctx context.Context) (context.Context, context.CancelFunc) {
					ctx, cancel := context.WithCancel(ctx)
					time.AfterFunc(7*time.Second, cancel)
					return ctx, cancel
				}, context.Canceled},
			} {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := end.ctx(t.Context())
					defer cancel()
					begin := time.Now()
					_, err := piped(t, tt.handler).Model("m").Generate(ctx, hello(), nil)
					require.Equal(t, end.want, err, end.name)
					require.Equal(t, 7*time.Second, time.Since(begin))
				})
			}
		})
	}
}

func TestCallerHasEnded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("too late"))
	w := &wire{body: ok}
	_, err := w.config().Model("m").Generate(ctx, hello(), nil)
	require.EqualError(t, err, "too late")
	require.Empty(t, w.requests)
}

// TestSinkEnds ends the consumer at each delta, in each way that there is. The
// server must notice, and no goroutine may be left when the bubble ends.
func TestSinkEnds(t *testing.T) {
	t.Parallel()
	chunks := []string{
		delta(`{"reasoning_content":"t"}`), delta(`{"content":"a"}`), delta(`{"content":"b"}`),
		calls(`{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}`), calls(`{"index":0,"function":{"arguments":"}"}}`),
	}
	reason := errors.New("enough")
	for at := range chunks {
		for _, tt := range []struct {
			name  string
			leave func(cancel context.CancelCauseFunc)
			check func(t *testing.T, err error, returned bool, recovered any)
		}{
			{"cancel", func(cancel context.CancelCauseFunc) { cancel(reason) }, func(t *testing.T, err error, returned bool, _ any) {
				require.True(t, returned)
				require.Equal(t, reason, err)
			}},
			{"panic", func(context.CancelCauseFunc) { panic("sink") }, func(t *testing.T, _ error, returned bool, recovered any) {
				require.False(t, returned)
				require.Equal(t, "sink", recovered)
			}},
			{"Goexit", func(context.CancelCauseFunc) { runtime.Goexit() }, func(t *testing.T, _ error, returned bool, recovered any) {
				require.False(t, returned)
				require.Nil(t, recovered)
			}},
		} {
			t.Run(fmt.Sprintf("%s at %d", tt.name, at), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					left := make(chan struct{})
					c := piped(t, func(w http.ResponseWriter, r *http.Request) {
						sse(w)
						for _, chunk := range chunks {
							say(w, events(chunk))
						}
						gone(r)
						close(left)
					})
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					var err error
					var returned bool
					var recovered any
					done := make(chan struct{})
					go func() {
						defer close(done)
						defer func() { recovered = recover() }()
						req, seen := hello(), 0
						req.Stream = true
						_, err = c.Model("m").Generate(ctx, req, func(llm.Delta) {
							if seen++; seen == at+1 {
								tt.leave(cancel)
							} else if seen > at+1 {
								panic("a delta after the end")
							}
						})
						returned = true
					}()
					<-done
					<-left
					tt.check(t, err, returned, recovered)
				})
			})
		}
	}
}

func TestConnectionIsUsedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		peers := map[string]bool{}
		bodies := []string{events(finishStop, "[DONE]"), ok, events(finishStop)}
		n := 0
		c := piped(t, func(w http.ResponseWriter, r *http.Request) {
			peers[fmt.Sprintf("%p", r.Context().Value(http.LocalAddrContextKey))] = true
			if n++; n%2 == 0 {
				w.WriteHeader(400)
			}
			say(w, bodies[n%len(bodies)])
		})
		dials := 0
		tr := c.HTTPClient.Transport.(*http.Transport)
		dial := tr.DialContext
		tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials++
			return dial(ctx, network, addr)
		}
		m := c.Model("m")
		for range 12 {
			_, _ = m.Generate(t.Context(), hello(), nil)
		}
		require.Equal(t, 12, n)
		require.Equal(t, 1, dials)
	})
}
