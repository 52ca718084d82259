package wrap_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// different returns m with a User in each request that no other request has, because the
// suite sends equal requests and counts them.
func different(m llm.Model) llm.Model {
	n := new(atomic.Int64)
	return llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		own := *req
		own.User = strconv.FormatInt(n.Add(1), 10)
		return m.Generate(ctx, &own, sink)
	})
}

func TestCacheHolds(t *testing.T) {
	t.Parallel()
	holds(t, func(t *testing.T, m llm.Model) llm.Model {
		return different(wrap.Cache{Dir: t.TempDir(), Name: "m"}.Model(m))
	})
}

// caches are a cache in memory and a cache in files.
func caches(t *testing.T) map[string]wrap.Cache {
	t.Helper()
	return map[string]wrap.Cache{"memory": {}, "files": {Dir: filepath.Join(t.TempDir(), "a", "b"), Name: "m"}}
}

// TestCacheAnswersInAllSeats: the second answer is the first without its costs, and has
// its deltas if the request has Stream, whatever the first request had.
func TestCacheAnswersInAllSeats(t *testing.T) {
	t.Parallel()
	inAllSeats(t, func(t *testing.T, script seat) {
		for name, c := range caches(t) {
			for _, streamed := range []bool{false, true} {
				step := llmtest.Reasoning("Hm.").And(llmtest.Text("Let <me> see."), llmtest.Calls("f", `{"a": 1}`), llmtest.Calls("g", nil))
				m := c.Model(script(t, step))
				ask := func(stream bool) (resp *llm.Response, text, reasoning string, calls []llm.ToolCall) {
					req := hello(stream)
					req.Seed = new(int64(len(t.Name())))
					req.User = fmt.Sprint(name, streamed)
					req.Tools = []llm.ToolDef{{Name: "f", Schema: []byte(`{"type":"object"}`)}, {Name: "g", Schema: []byte(`{"type":"object"}`)}}
					resp, err := m.Generate(t.Context(), req, func(d llm.Delta) {
						switch d := d.(type) {
						case llm.TextDelta:
							text += d.Text
						case llm.ReasoningDelta:
							reasoning += d.Text
						case llm.CallDelta:
							for len(calls) <= d.Index {
								calls = append(calls, llm.ToolCall{})
							}
							calls[d.Index].ID += d.ID
							calls[d.Index].Name += d.Name
							calls[d.Index].Arguments += d.Arguments
						}
					})
					require.NoError(t, err)
					return resp, text, reasoning, calls
				}
				want, _, _, _ := ask(streamed)
				require.NotZero(t, want.Usage)
				want.Usage, want.RawUsage = llm.Usage{}, nil
				for _, stream := range []bool{true, false, true} {
					resp, text, reasoning, calls := ask(stream)
					require.Equal(t, want, resp)
					if !stream {
						require.Empty(t, text+reasoning)
						require.Empty(t, calls)
						continue
					}
					require.Equal(t, want.Message.Text(), text)
					require.Equal(t, want.Message.Reasoning(), reasoning)
					require.Equal(t, want.Message.Calls(), calls)
				}
			}
		}
	})
}

// TestCacheKeepsTheWholeAnswer sets each field of a response, and finds fields that a
// later version adds.
func TestCacheKeepsTheWholeAnswer(t *testing.T) {
	t.Parallel()
	full := new(llm.Response)
	for _, field := range reflect.VisibleFields(reflect.TypeFor[llm.Response]()) {
		if field.Name != "Message" && field.Name != "Finish" {
			set(t, reflect.ValueOf(full).Elem().FieldByIndex(field.Index))
		}
	}
	full.Message, full.Finish = llm.Assistant("a"), llm.FinishOf("stop", "native")
	full.Message.Extra = []llm.Member{{Name: "a", Value: "[ 1 ]"}}
	full.LogProbs = []byte(`{ "content": "<" }`)
	m := wrap.Cache{}.Model(llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
		own := *full
		return &own, nil
	}))
	first, err := m.Generate(t.Context(), hello(false), nil)
	require.NoError(t, err)
	require.Equal(t, full, first)
	second, err := m.Generate(t.Context(), hello(false), nil)
	require.NoError(t, err)
	first.Usage, first.RawUsage, first.RateLimits = llm.Usage{}, nil, nil
	require.Equal(t, first, second)
}

// TestCacheKeepsOnlyGoodAnswers: the script fails the test if it is asked too seldom or
// too often.
func TestCacheKeepsOnlyGoodAnswers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		step llmtest.Step
		kept bool
	}{
		"text":                        {llmtest.Text("a"), true},
		"calls":                       {llmtest.Calls("f", nil).And(llmtest.Calls("g", `{"a":1}`)), true},
		"calls that finish with stop": {llmtest.Calls("f", nil).Finish("stop"), true},
		"nothing":                     {llmtest.Text(""), false},
		"reasoning alone":             {llmtest.Reasoning("a"), false},
		"length":                      {llmtest.Text("a").Finish("length"), false},
		"content filter":              {llmtest.Text("a").Finish("content_filter"), false},
		"an unknown end":              {llmtest.Text("a").Finish("weird"), false},
		"a refusal beside text":       {llmtest.Text("a").And(llmtest.Refusal("No.")), false},
		"a refusal":                   {llmtest.Refusal("No."), false},
		"arguments that are no JSON":  {llmtest.Calls("f", `{"a":`), false},
		"an error":                    {llmtest.Fail(auth), false},
		"an answer that breaks off":   {llmtest.Text("One, two, three.").With(llmtest.Cut(2)), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range caches(t) {
				steps := []llmtest.Step{tt.step}
				if !tt.kept {
					steps = append(steps, tt.step)
				}
				m := c.Model(llmtest.Script(t, steps...))
				for range 2 {
					_, _ = m.Generate(t.Context(), hello(true), nil)
				}
			}
		})
	}
}

// TestCacheTellsRequestsApart changes each field of a request, and finds fields that a
// later version adds.
func TestCacheTellsRequestsApart(t *testing.T) {
	t.Parallel()
	c := &counted{}
	m := wrap.Cache{}.Model(good(c))
	ask := func(req *llm.Request) int64 {
		before := c.asked.Load()
		_, err := m.Generate(t.Context(), req, nil)
		require.NoError(t, err)
		return c.asked.Load() - before
	}
	require.EqualValues(t, 1, ask(hello(false)))
	fields := reflect.TypeFor[llm.Request]()
	for _, field := range reflect.VisibleFields(fields) {
		if field.Anonymous {
			continue
		}
		req := hello(false)
		set(t, reflect.ValueOf(req).Elem().FieldByIndex(field.Index))
		want := int64(1)
		if field.Name == "Stream" || field.Name == "Memo" {
			want = 0
		}
		require.Equal(t, want, ask(req), field.Name)
		require.Zero(t, ask(req), field.Name)
	}
	require.Greater(t, fields.NumField(), 6)
}

// set gives v a value other than zero.
func set(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Float64:
		v.SetFloat(0.7)
	case reflect.Uint8:
		v.SetUint('7')
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		if _, memo := v.Interface().(*llm.Memo); !memo {
			set(t, v.Elem())
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		set(t, v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("x"), reflect.ValueOf("x"))
	case reflect.Struct:
		set(t, v.Field(0))
	default:
		t.Fatalf("no value for a %v", v.Type())
	}
}

// good returns m with the finish reason stop and a text.
func good(m llm.Model) llm.Model {
	return llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		resp, err := m.Generate(ctx, req, sink)
		if err != nil {
			return nil, err
		}
		own := *resp
		own.Message, own.Finish = llm.Assistant("Hello."), llm.FinishOf("stop", "")
		return &own, nil
	})
}

// TestCacheAsksOnce: of equal requests at the same time, one is sent.
func TestCacheAsksOnce(t *testing.T) {
	t.Parallel()
	for name, c := range caches(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				inner := newClocked(time.Second)
				m := c.Model(good(inner))
				var all sync.WaitGroup
				for i := range 32 {
					all.Go(func() {
						shown := ""
						resp, err := m.Generate(t.Context(), hello(i%2 == 0), func(d llm.Delta) { shown += d.(llm.TextDelta).Text })
						require.NoError(t, err)
						require.Equal(t, "Hello.", resp.Message.Text())
						resp.Message.Parts[0] = llm.Text{Text: "changed"}
						require.Contains(t, []string{"", "Hello."}, shown)
					})
				}
				all.Wait()
				require.Len(t, inner.at, 1)
			})
		})
	}
}

// TestCacheSharesFailures: requests that wait get the error, and the next request asks.
func TestCacheSharesFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		m := wrap.Cache{}.Model(llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
			asked++
			time.Sleep(time.Second) // synctest: exact in a bubble
			return nil, overloaded
		}))
		for range 2 {
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					_, err := m.Generate(t.Context(), hello(false), nil)
					require.Equal(t, overloaded, err)
				})
			}
			all.Wait()
		}
		require.Equal(t, 2, asked)
	})
}

// TestCacheOutlivesTheFirst: when the request that asks is cancelled or panics, another
// asks.
func TestCacheOutlivesTheFirst(t *testing.T) {
	t.Parallel()
	for _, panics := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			inner := newClocked(time.Minute)
			m := wrap.Cache{}.Model(llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
				resp, err := good(inner).Generate(ctx, req, sink)
				if panics && err != nil {
					panic(err)
				}
				return resp, err
			}))
			reason := errors.New("the user left")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(10*time.Second, func() { cancel(reason) })
			impatient, stop := context.WithTimeout(t.Context(), 5*time.Second)
			defer stop()
			var all sync.WaitGroup
			all.Go(func() {
				if panics {
					require.PanicsWithValue(t, reason, func() { _, _ = m.Generate(ctx, hello(false), nil) })
					return
				}
				_, err := m.Generate(ctx, hello(false), nil)
				require.Equal(t, reason, err)
			})
			synctest.Wait()
			all.Go(func() {
				_, err := m.Generate(impatient, hello(false), nil)
				require.Equal(t, context.DeadlineExceeded, err, "of a request that waits")
			})
			for range 3 {
				all.Go(func() {
					_, err := m.Generate(t.Context(), hello(false), nil)
					require.NoError(t, err)
				})
			}
			all.Wait()
			require.Equal(t, seconds(0, 10), inner.at)
		})
	}
}

func TestCacheForgets(t *testing.T) {
	t.Parallel()
	for name, c := range caches(t) {
		t.Run("old answers, "+name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				inner := newClocked(0)
				c.MaxAge = time.Hour
				m := c.Model(good(inner))
				for range 4 {
					_, err := m.Generate(t.Context(), hello(false), nil)
					require.NoError(t, err)
					time.Sleep(30 * time.Minute) // synctest: exact in a bubble
				}
				require.Equal(t, seconds(0, 3600), inner.at)
			})
		})
	}
	t.Run("answers that are not used", func(t *testing.T) {
		t.Parallel()
		c := newClocked(0)
		m := wrap.Cache{MaxAnswers: 2}.Model(good(c))
		for _, text := range []string{"a", "b", "a", "c", "a", "b"} {
			_, err := m.Generate(t.Context(), saying(text), nil)
			require.NoError(t, err)
		}
		require.Equal(t, []string{"a", "b", "c", "b"}, c.who)
	})
	t.Run("nothing", func(t *testing.T) {
		t.Parallel()
		c := newClocked(0)
		m := wrap.Cache{MaxAnswers: -1}.Model(good(c))
		for i := range 4000 {
			_, err := m.Generate(t.Context(), saying(fmt.Sprint(i%2000)), nil)
			require.NoError(t, err)
		}
		require.Len(t, c.who, 2000)
	})
}

// TestCacheFiles: another process finds the answers, and damage is repaired.
func TestCacheFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const key = "sk-very-secret"
	ask := func(name string, steps ...llmtest.Step) {
		t.Helper()
		script := llmtest.Script(t, steps...)
		m := wrap.Cache{Dir: dir}.Model(openai.Config{HTTPClient: script.Client(), Key: key}.Model(name))
		resp, err := m.Generate(t.Context(), hello(false), nil)
		require.NoError(t, err)
		require.Equal(t, "Hello from "+name+".", resp.Message.Text())
	}
	hi := llmtest.Text("Hello from m.")
	ask("m", hi)
	ask("m")
	ask("n", llmtest.Text("Hello from n.")) // the name of the model is part of the key
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Len(t, files, 2)
	for _, file := range files {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NotContains(t, string(text), key)
		for _, damaged := range []string{
			"", string(text[:len(text)/2]), string(text) + " ", strings.Replace(string(text), "Hello", "HELLO", 1),
			strings.Replace(string(text), "\n", "", 1), "{}\nnull", "\x00\x00",
		} {
			require.NoError(t, os.WriteFile(file, []byte(damaged), 0o600))
			if strings.Contains(string(text), "from m") {
				ask("m", hi)
				ask("m")
			}
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Equal(t, files, left, "no temporary files")
}

// TestCacheCannotWrite: an answer counts more than the cache.
func TestCacheCannotWrite(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cache")
	m := wrap.Cache{Dir: dir, Name: "m"}.Model(llmtest.Script(t, llmtest.Text("a"), llmtest.Text("b"), llmtest.Text("c")))
	_, err := m.Generate(t.Context(), saying("first"), nil)
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(dir))
	for _, want := range []string{"b", "c"} {
		sink, texts := notices()
		resp, err := m.Generate(t.Context(), hello(false), sink)
		require.NoError(t, err)
		require.Equal(t, want, resp.Message.Text())
		require.Len(t, *texts, 1)
		require.Contains(t, (*texts)[0], "cache: the answer is not kept: ")
	}
}

// TestCachePassesOnWhatItCannotKeep: JSON has no form for the request or the answer.
func TestCachePassesOnWhatItCannotKeep(t *testing.T) {
	t.Parallel()
	c := &counted{}
	m := wrap.Cache{}.Model(good(c))
	req := hello(false)
	req.Temperature = new(math.NaN())
	for range 2 {
		_, err := m.Generate(t.Context(), req, nil)
		require.NoError(t, err)
	}
	require.EqualValues(t, 2, c.asked.Load())

	sink, texts := notices()
	odd := &llm.Response{Message: llm.Assistant("a", nil), Finish: llm.FinishOf("stop", "")}
	resp, err := wrap.Cache{}.Model(llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
		return odd, nil
	})).Generate(t.Context(), hello(false), sink)
	require.NoError(t, err)
	require.Same(t, odd, resp)
	require.Len(t, *texts, 1)
}

// TestCacheReplayEndsWithContext: a replay obeys the context, too.
func TestCacheReplayEndsWithContext(t *testing.T) {
	t.Parallel()
	m := wrap.Cache{}.Model(llmtest.Script(t, llmtest.Reasoning("Hm.").And(llmtest.Text("a"))))
	_, err := m.Generate(t.Context(), hello(false), nil)
	require.NoError(t, err)
	reason := errors.New("the user left")
	ctx, cancel := context.WithCancelCause(t.Context())
	seen := 0
	_, err = m.Generate(ctx, hello(true), func(llm.Delta) { seen++; cancel(reason) })
	require.Equal(t, reason, err)
	require.Equal(t, 1, seen)
}

func TestCacheRefusesBadConfiguration(t *testing.T) {
	t.Parallel()
	c := &counted{name: "c"}
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for want, bad := range map[string]llm.Model{
		"wrap: the model of a Cache is nil":     wrap.Cache{}.Model(nil),
		"wrap: Cache.MaxAge is -1ns":            wrap.Cache{MaxAge: -1}.Model(c),
		"wrap: Cache.MaxAnswers is -2":          wrap.Cache{MaxAnswers: -2}.Model(c),
		"wrap: Cache.Dir: mkdir " + file:        wrap.Cache{Dir: file}.Model(c),
		"wrap: a Cache with a Dir needs a Name": wrap.Cache{Dir: t.TempDir()}.Model(good(c)),
	} {
		for range 2 {
			_, err := bad.Generate(t.Context(), hello(false), nil)
			require.ErrorContains(t, err, want)
		}
	}
	require.Zero(t, c.asked.Load())
}
