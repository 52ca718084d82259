package journaltest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/journaltest"
)

// TestEveryKind: the samples hold each durable kind of event that there is.
func TestEveryKind(t *testing.T) {
	t.Parallel()
	f, err := parser.ParseFile(token.NewFileSet(), "../../event/event.go", nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	ephemeral := []string{"TextDelta", "PartialOutput", "ReasoningDelta", "CallDelta", "ToolProgress", "Restarted", "Notice"}
	missing := map[string]bool{}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == "event" {
			missing[fn.Recv.List[0].Type.(*ast.Ident).Name] = true
		}
	}
	require.Greater(t, len(missing), len(ephemeral))
	for _, b := range journaltest.Bodies() {
		delete(missing, strings.TrimPrefix(fmt.Sprintf("%T", b), "event."))
	}
	for _, name := range ephemeral {
		delete(missing, name)
	}
	require.Empty(t, missing, "add one of each to bodies in events.go")
}

// way is a Journal that does something in its own way.
type way struct {
	journal.Journal
	open   func(ctx context.Context, session string) (journal.Log, error)
	name   func(session string) string
	change func(journal.Log) journal.Log
}

func (w way) Open(ctx context.Context, session string) (journal.Log, error) {
	if w.name != nil {
		session = w.name(session)
	}
	open := w.Journal.Open
	if w.open != nil {
		open = w.open
	}
	log, err := open(ctx, session)
	if err == nil && w.change != nil {
		log = w.change(log)
	}
	return log, err
}

// wayLog is a Log that does something in its own way.
type wayLog struct {
	journal.Log
	append  func(ctx context.Context, sync bool, events ...event.Event) error
	events  func(ctx context.Context) iter.Seq2[event.Event, error]
	context func() context.Context
	close   func() error
}

func (l wayLog) Append(ctx context.Context, sync bool, events ...event.Event) error {
	if l.append != nil {
		return l.append(ctx, sync, events...)
	}
	return l.Log.Append(ctx, sync, events...)
}

func (l wayLog) Events(ctx context.Context) iter.Seq2[event.Event, error] {
	if l.events != nil {
		return l.events(ctx)
	}
	return l.Log.Events(ctx)
}

func (l wayLog) Context() context.Context {
	if l.context != nil {
		return l.context()
	}
	return l.Log.Context()
}

func (l wayLog) Close() error {
	if l.close != nil {
		return l.close()
	}
	return l.Log.Close()
}

// changed is a store of one Memory whose logs are changed.
func changed(change func(journal.Log) wayLog) func() journaltest.Store {
	return func() journaltest.Store {
		w := way{Journal: new(journal.Memory), change: func(l journal.Log) journal.Log { return change(l) }}
		return journaltest.Store{Open: func() journal.Journal { return w }}
	}
}

// mapped is a store that changes each event that it is given.
func mapped(change func(event.Event) event.Event) func() journaltest.Store {
	return changed(func(l journal.Log) wayLog {
		return wayLog{Log: l, append: func(ctx context.Context, sync bool, events ...event.Event) error {
			events = slices.Clone(events)
			for i := range events {
				events[i] = change(events[i])
			}
			return l.Append(ctx, sync, events...)
		}}
	})
}

// named is a store that changes the names of sessions.
func named(name func(string) string) func() journaltest.Store {
	return func() journaltest.Store {
		w := way{Journal: new(journal.Memory), name: name}
		return journaltest.Store{Open: func() journal.Journal { return w }}
	}
}

// lockless lets everybody open a session: each opening is a Memory of its own
// that begins with what is there.
type lockless struct {
	mu   sync.Mutex
	kept map[string][]event.Event
}

func (j *lockless) Open(ctx context.Context, session string) (journal.Log, error) {
	log, err := new(journal.Memory).Open(ctx, session)
	if err != nil {
		return nil, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := log.Append(ctx, false, j.kept[session]...); err != nil {
		return nil, err
	}
	return wayLog{Log: log, append: func(ctx context.Context, sync bool, events ...event.Event) error {
		err := log.Append(ctx, sync, events...)
		if err == nil {
			j.mu.Lock()
			defer j.mu.Unlock()
			j.kept[session] = append(j.kept[session], events...)
		}
		return err
	}}, nil
}

// replaceIn puts copies in the places of a directory's files.
func replaceIn(dir string) error {
	paths, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err := errors.Join(err, os.WriteFile(path+".copy", data, 0o600), os.Rename(path+".copy", path)); err != nil {
			return err
		}
	}
	return nil
}

// TestBroken: each way to break a promise is caught, by the check for it.
func TestBroken(t *testing.T) {
	t.Parallel()
	var caught sync.Map
	t.Cleanup(func() {
		for _, name := range journaltest.Names() {
			_, ok := caught.Load(name)
			require.True(t, ok || t.Failed(), "no broken store shows that %q can fail", name)
		}
	})
	for _, tt := range []struct {
		name  string
		want  []string // checks that must fail
		store func() journaltest.Store
	}{
		{"times are cut to microseconds", []string{"every kind of event", "10,000 events"}, mapped(func(e event.Event) event.Event {
			e.Time = e.Time.Truncate(time.Microsecond)
			return e
		})},
		{"empty lists are nil", []string{"every kind of event"}, mapped(func(e event.Event) event.Event {
			if b, ok := e.Body.(event.TurnPrepared); ok && len(b.Tools) == 0 {
				b.Tools = nil
				e.Body = b
			}
			return e
		})},
		{"NUL characters are lost", []string{"every kind of event", "large events"}, mapped(func(e event.Event) event.Event {
			if b, ok := e.Body.(event.UserMessaged); ok {
				e.Body = event.UserMessaged{Message: llm.User(strings.ReplaceAll(b.Message.Text(), "\x00", ""))}
			}
			return e
		})},
		{"a megabyte at most", []string{"large events"}, mapped(func(e event.Event) event.Event {
			if b, ok := e.Body.(event.UserMessaged); ok {
				if text := b.Message.Text(); len(text) > 1<<20 {
					e.Body = event.UserMessaged{Message: llm.User(text[:1<<20])}
				}
			}
			return e
		})},
		{"appends are not all or none", []string{"all or none, at the right position"}, changed(func(l journal.Log) wayLog {
			return wayLog{Log: l, append: func(ctx context.Context, sync bool, events ...event.Event) error {
				for _, e := range events {
					if err := l.Append(ctx, sync, e); err != nil {
						return err
					}
				}
				return nil
			}}
		})},
		{"conflicts have no numbers", []string{"all or none, at the right position", "reopened"}, changed(func(l journal.Log) wayLog {
			return wayLog{Log: l, append: func(ctx context.Context, sync bool, events ...event.Event) error {
				err := l.Append(ctx, sync, events...)
				if _, ok := errors.AsType[*journal.ConflictError](err); ok {
					return &journal.ConflictError{Session: "order-42"}
				}
				return err
			}}
		})},
		{"what comes again is ignored", []string{"all or none, at the right position"}, changed(func(l journal.Log) wayLog {
			return wayLog{Log: l, append: func(ctx context.Context, sync bool, events ...event.Event) error {
				err := l.Append(ctx, sync, events...)
				if c, ok := errors.AsType[*journal.ConflictError](err); ok && c.Got < c.Want {
					return nil
				}
				return err
			}}
		})},
		{"an append of nothing is an error", []string{"no events"}, changed(func(l journal.Log) wayLog {
			return wayLog{Log: l, append: func(ctx context.Context, sync bool, events ...event.Event) error {
				if len(events) == 0 {
					return errors.New("nothing")
				}
				return l.Append(ctx, sync, events...)
			}}
		})},
		{"read events are the newest 9,999", []string{"10,000 events"}, changed(func(l journal.Log) wayLog {
			return wayLog{Log: l, events: func(ctx context.Context) iter.Seq2[event.Event, error] {
				return func(yield func(event.Event, error) bool) {
					var all []event.Event
					for e, err := range l.Events(ctx) {
						if err != nil {
							yield(e, err)
							return
						}
						all = append(all, e)
					}
					for _, e := range all[max(0, len(all)-9999):] {
						if !yield(e, nil) {
							return
						}
					}
				}
			}}
		})},
		{"a position is read inclusively", []string{"reading from a position"}, func() journaltest.Store {
			w := way{Journal: new(journal.Memory), change: func(l journal.Log) journal.Log { return inclusive{l} }}
			return journaltest.Store{Open: func() journal.Journal { return w }}
		}},
		{"a loop sees what is appended meanwhile", []string{"reading while open"}, changed(func(l journal.Log) wayLog {
			return wayLog{Log: l, events: func(ctx context.Context) iter.Seq2[event.Event, error] {
				return func(yield func(event.Event, error) bool) {
					for seq := int64(0); ; {
						more := false
						for e, err := range l.Events(ctx) {
							if err != nil {
								yield(e, err)
								return
							}
							if e.Seq > seq {
								seq, more = e.Seq, true
								if !yield(e, nil) {
									return
								}
							}
						}
						if !more {
							return
						}
					}
				}
			}}
		})},
		{"the context of Append is not looked at", []string{"a context that ended"}, changed(func(l journal.Log) wayLog {
			return wayLog{Log: l, append: func(ctx context.Context, sync bool, events ...event.Event) error {
				return l.Append(context.WithoutCancel(ctx), sync, events...)
			}}
		})},
		{"the log ends with the context of Open", []string{"a context that ended"}, func() journaltest.Store {
			m := new(journal.Memory)
			w := way{Journal: m, open: func(ctx context.Context, session string) (journal.Log, error) {
				log, err := m.Open(ctx, session)
				if err != nil {
					return nil, err
				}
				return wayLog{Log: log, context: func() context.Context {
					if ctx.Err() != nil {
						return ctx
					}
					return log.Context()
				}}, nil
			}}
			return journaltest.Store{Open: func() journal.Journal { return w }}
		}},
		{"a lock is taken although the context ended", []string{"a context that ended"}, func() journaltest.Store {
			m := new(journal.Memory)
			w := way{Journal: m, open: func(ctx context.Context, session string) (journal.Log, error) {
				log, err := m.Open(context.WithoutCancel(ctx), session)
				return log, errors.Join(err, context.Cause(ctx))
			}}
			return journaltest.Store{Open: func() journal.Journal { return w }}
		}},
		{"a closed log's context goes on", []string{"a closed log"}, changed(func(l journal.Log) wayLog {
			return wayLog{Log: l, context: context.Background}
		})},
		{"a lock is kept for ever", []string{"busy until closed", "reopened", "a closed log"}, changed(func(l journal.Log) wayLog {
			return wayLog{Log: l, close: func() error { return nil }}
		})},
		{"the second Close is an error", []string{"a closed log", "busy until closed"}, changed(func(l journal.Log) wayLog {
			return wayLog{Log: l, close: func() error { return errors.Join(context.Cause(l.Context()), l.Close()) }}
		})},
		{"names in lower case", []string{"odd names"}, named(strings.ToLower)},
		{"names without spaces around them", []string{"odd names"}, named(strings.TrimSpace)},
		{"names of 255 bytes at most", []string{"odd names"}, named(func(s string) string { return s[:min(len(s), 255)] })},
		{"bad names are repaired", []string{"bad names"}, named(func(s string) string { return "x" + strings.ToValidUTF8(s, "\ufffd") })},
		{"one session for all", []string{"64 sessions at once", "odd names"}, named(func(string) string { return "order-42" })},
		{"no lock", []string{"busy until closed", "one of many openers", "begun once"}, func() journaltest.Store {
			j := &lockless{kept: map[string][]event.Event{}}
			return journaltest.Store{Open: func() journal.Journal { return j }}
		}},
		{"nothing outlives the process", []string{"every kind of event", "reopened", "busy until closed"}, func() journaltest.Store {
			return journaltest.Store{Open: func() journal.Journal { return new(journal.Memory) }}
		}},
		{"a lost lock is not noticed", []string{"a lost lock"}, func() journaltest.Store {
			j := &lockless{kept: map[string][]event.Event{}}
			return journaltest.Store{Open: func() journal.Journal { return j }, Lose: func(string) error { return nil }}
		}},
		{"the lock is lost, and the context goes on", []string{"a lost lock"}, func() journaltest.Store {
			dir := t.TempDir()
			w := way{Journal: journal.Dir{Path: dir}, change: func(l journal.Log) journal.Log {
				return wayLog{Log: l, context: context.Background}
			}}
			return journaltest.Store{Open: func() journal.Journal { return w }, Lose: func(string) error { return replaceIn(dir) }}
		}},
		{"a reader needs the lock", []string{"reading without opening", "reading without opening, in a loop"}, func() journaltest.Store {
			m := new(journal.Memory)
			w := wayReader{Memory: m, read: func(ctx context.Context, session string, after int64) iter.Seq2[event.Event, error] {
				return func(yield func(event.Event, error) bool) {
					log, err := m.Open(ctx, session)
					if err != nil {
						yield(event.Event{}, err)
						return
					}
					defer log.Close()
					log.Events(ctx)(yield)
				}
			}}
			return journaltest.Store{Open: func() journal.Journal { return w }}
		}},
		{"a reader sees parts of appends", []string{"reading without opening"}, func() journaltest.Store {
			m := new(journal.Memory)
			w := wayReader{Memory: m, read: func(ctx context.Context, session string, after int64) iter.Seq2[event.Event, error] {
				return func(yield func(event.Event, error) bool) {
					var all []event.Event
					for e := range m.Read(ctx, session, after) {
						all = append(all, e)
					}
					for _, e := range all[:max(0, len(all)-1)] {
						if !yield(e, nil) {
							return
						}
					}
				}
			}}
			return journaltest.Store{Open: func() journal.Journal { return w }}
		}},
		{"nothing can be imported", []string{"export, import and fork"}, changed(func(l journal.Log) wayLog {
			return wayLog{Log: l, append: func(ctx context.Context, sync bool, events ...event.Event) error {
				return l.Append(ctx, sync, events[:min(len(events), 3)]...)
			}}
		})},
		{"a saved state stays the first", []string{"saved states"}, func() journaltest.Store {
			w := way{Journal: new(journal.Memory), change: func(l journal.Log) journal.Log { return &firstState{Log: l} }}
			return journaltest.Store{Open: func() journal.Journal { return w }}
		}},
		{"nothing is deleted", []string{"deleted sessions"}, func() journaltest.Store {
			m := new(journal.Memory)
			w := keeper{m}
			return journaltest.Store{Open: func() journal.Journal { return w }}
		}},
		{"a list in no order", []string{"lists of sessions"}, func() journaltest.Store {
			m := new(journal.Memory)
			w := wayReader{Memory: m, list: func(ctx context.Context, f journal.Filter) iter.Seq2[journal.Summary, error] {
				return func(yield func(journal.Summary, error) bool) {
					var all []journal.Summary
					for s := range m.List(ctx, f) {
						all = append(all, s)
					}
					for _, s := range slices.Backward(all) {
						if !yield(s, nil) {
							return
						}
					}
				}
			}}
			return journaltest.Store{Open: func() journal.Journal { return w }}
		}},
		{"whole events of a torn append are kept", []string{"a torn append"}, partly},
		{"a torn session cannot be opened", []string{"a torn append"}, stuck},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, name := range tt.want {
				require.Error(t, journaltest.Check(t.Context(), name, tt.store()), name)
				caught.Store(name, true)
			}
		})
	}
}

// inclusive is a Log that reads from a position on and not from behind it.
type inclusive struct{ journal.Log }

func (l inclusive) EventsAfter(ctx context.Context, after int64) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		for e, err := range l.Events(ctx) {
			if e.Seq >= after && !yield(e, err) {
				return
			}
		}
	}
}

// wayReader is a Memory that reads in its own way.
type wayReader struct {
	*journal.Memory
	read func(ctx context.Context, session string, after int64) iter.Seq2[event.Event, error]
	list func(ctx context.Context, f journal.Filter) iter.Seq2[journal.Summary, error]
}

func (w wayReader) Read(ctx context.Context, session string, after int64) iter.Seq2[event.Event, error] {
	if w.read != nil {
		return w.read(ctx, session, after)
	}
	return w.Memory.Read(ctx, session, after)
}

func (w wayReader) List(ctx context.Context, f journal.Filter) iter.Seq2[journal.Summary, error] {
	if w.list != nil {
		return w.list(ctx, f)
	}
	return w.Memory.List(ctx, f)
}

// firstState is a Log that keeps the first state that is saved.
type firstState struct {
	journal.Log
	seq   int64
	state []byte
}

func (l *firstState) LoadState(context.Context) (int64, []byte, error) { return l.seq, l.state, nil }

func (l *firstState) SaveState(_ context.Context, seq int64, state []byte) error {
	if l.seq == 0 {
		l.seq, l.state = seq, state
	}
	return nil
}

// keeper is a Memory that deletes nothing.
type keeper struct{ *journal.Memory }

func (keeper) Delete(context.Context, string, int64) error { return nil }

// partly is a store that keeps the events of a torn append that were whole.
func partly() journaltest.Store {
	m := new(journal.Memory)
	return journaltest.Store{
		Open: func() journal.Journal { return m },
		Tear: func(session string, _ int) error {
			data, err := json.Marshal(m)
			if err != nil {
				return err
			}
			var kept map[string][]event.Event
			if err := json.Unmarshal(data, &kept); err != nil {
				return err
			}
			kept[session] = kept[session][:len(kept[session])-1]
			if data, err = json.Marshal(kept); err != nil {
				return err
			}
			return json.Unmarshal(data, m)
		},
	}
}

// stuck is a store that cannot open a session again that was torn.
func stuck() journaltest.Store {
	torn := false
	m := new(journal.Memory)
	w := way{Journal: m, open: func(ctx context.Context, session string) (journal.Log, error) {
		if torn {
			return nil, &journal.CorruptError{Session: session}
		}
		return m.Open(ctx, session)
	}}
	return journaltest.Store{
		Open: func() journal.Journal { return w },
		Tear: func(string, int) error { torn = true; return nil },
	}
}
