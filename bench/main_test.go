package main

import (
	"context"
	"encoding/xml"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// listen starts a server for a workload. Each measurement has its own server, because the
// measurement counts the requests.
func listen(t *testing.T, w workload) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	serve(l, []workload{w})
	return l.Addr().String()
}

// hasForm says which workloads a peer can do.
func hasForm(p peer, w workload) bool {
	switch p.name {
	case limit.name, goOpenAI.name:
		return !w.memory && !w.responses
	case openaiGo.name:
		return !w.memory
	case eino.name:
		return !w.responses
	}
	return true
}

// TestAnswers: every peer holds every conversation that it has a form for, and no check
// fails. Costs are not compared.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, w := range workloads {
		w := w.small()
		for _, p := range peers {
			t.Run(w.name+"/"+p.name, func(t *testing.T) {
				t.Parallel()
				f := measure(p, w, listen(t, w), time.Minute)
				require.Empty(t, f.Wrong)
				require.Equal(t, hasForm(p, w), !f.NoForm)
				require.Equal(t, hasForm(p, w), f.Runs == w.runs)
			})
		}
	}
}

// TestWrong: a peer that answers wrongly, calls with other arguments, or asks too often is
// found, and its costs are not shown.
func TestWrong(t *testing.T) {
	t.Parallel()
	w := workloads[0].small()
	for name, change := range map[string]func(run, task) run{
		"the final text has": func(do run, _ task) run {
			return func(ctx context.Context) (string, error) { text, err := do(ctx); return text + ".", err }
		},
		"wrong arguments": func(do run, t task) run {
			return func(ctx context.Context) (string, error) {
				if _, err := t.call("Oslo", "kelvin"); err != nil {
					return "", err
				}
				return do(ctx)
			}
		},
		"calls with the sum": func(do run, t task) run {
			return func(ctx context.Context) (string, error) {
				if _, err := t.call("Oslo-0000-00", "celsius"); err != nil {
					return "", err
				}
				return do(ctx)
			}
		},
		"requests, not": func(do run, t task) run {
			return func(ctx context.Context) (string, error) {
				body := `{"messages":[]}`
				resp, err := post(ctx, t, "/chat/completions", []byte(body))
				if err != nil {
					return "", err
				}
				defer resp.Body.Close()
				return do(ctx)
			}
		},
	} {
		bad := peer{"bad", func(t task) (run, error) {
			do, err := floor.prepare(t)
			return change(do, t), err
		}}
		f := measure(bad, w, listen(t, w), time.Minute)
		require.Contains(t, f.Wrong, name)
		good := measure(floor, w, listen(t, w), time.Minute)
		r := report{[]workload{w}, []peer{floor, bad}, []figures{good, f}, ""}
		rows := r.rows(w)
		require.Zero(t, rows[1].cpu)
		require.Equal(t, f.Wrong, rows[1].wrong)
		var text strings.Builder
		require.NoError(t, r.table(&text))
		require.Contains(t, text.String(), "wrong: ")
	}
}

// TestServer: the server refuses a conversation that leaves the script.
func TestServer(t *testing.T) {
	t.Parallel()
	w := workload{name: "W", turns: 2, calls: 2, words: 3}
	sc := &script{w, w.answers(false), w.answers(true)}
	result := func(id string) string { return `{"tool_call_id":"` + id + `"}` }
	turn, err := sc.turn([]byte(result(callID(0, 0)) + result(callID(0, 1))))
	require.NoError(t, err)
	require.Equal(t, 1, turn)
	for _, body := range []string{
		result(callID(0, 0)),                                         // a result is missing
		result(callID(0, 1)) + result(callID(0, 0)),                  // another order
		result(callID(1, 0)) + result(callID(1, 1)),                  // another turn
		strings.Repeat(result(callID(0, 0))+result(callID(0, 1)), 3), // too many turns
		`{"stream":true}`,
	} {
		_, err := sc.turn([]byte(body))
		require.Error(t, err, body)
	}
}

// TestReport: ratios are medians of the ratios within each round, and the page and the
// picture hold them.
func TestReport(t *testing.T) {
	t.Parallel()
	w := workloads[0]
	var all []figures
	for round, cpu := range []float64{1, 10, 4} { // the third round of the peer was slow
		all = append(all, figures{Peer: floor.name, Workload: w.name, Round: round, Runs: 1, CPU: cpu, Allocs: 10},
			figures{Peer: toolloop.name, Workload: w.name, Round: round, Runs: 1, CPU: cpu * []float64{2, 2, 9}[round], Allocs: 5})
	}
	r := report{[]workload{w}, []peer{floor, toolloop}, all, "somewhere <fast>\n"}
	rows := r.rows(w)
	require.Len(t, rows, 2)
	require.InDelta(t, 1, rows[0].cpuX, 0)
	require.InDelta(t, 2, rows[1].cpuX, 0)
	require.InDelta(t, 0.5, rows[1].allocX, 0)
	require.InDelta(t, 20_000, rows[1].cpu, 0)

	page := filepath.Join(t.TempDir(), "page.md")
	require.NoError(t, os.WriteFile(page, []byte("# A\n"+begin+"old\n"+end+"rest\n"), 0o600))
	require.NoError(t, r.replace(page))
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	require.NotContains(t, string(text), "old")
	require.Contains(t, string(text), "toolloop        ████████████████████████ 2.00\n```\n"+end+"rest\n")

	d := xml.NewDecoder(strings.NewReader(string(r.svg())))
	for err = nil; err == nil; {
		_, err = d.Token()
	}
	require.Equal(t, io.EOF, err)
	require.Contains(t, string(r.svg()), "somewhere &lt;fast&gt;")
}

func TestFlags(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"-w", "W5,W1", "-p", "toolloop", "-short"})
	require.NoError(t, err)
	require.Equal(t, 1, o.rounds)
	require.Len(t, o.workloads, 2)
	require.Len(t, o.peers, 2) // and the floor
	_, err = parse([]string{"-w", "W9"})
	require.EqualError(t, err, "nothing is named W9")
}
