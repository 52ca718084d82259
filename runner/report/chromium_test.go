package report_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/browser"
	"github.com/seed-916e8f6a/toolloop/internal/scenario"
	"github.com/seed-916e8f6a/toolloop/internal/tied"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
)

var console = regexp.MustCompile(`(?m)^.*CONSOLE.*$`)

// opened returns the document after its scripts have run. Messages in the console, such as
// errors and refusals of the policy, fail the test.
func opened(t *testing.T, events []event.Event, hash string) string {
	t.Helper()
	program, dir := browser.Program(t), t.TempDir()
	file := filepath.Join(dir, "page.html")
	require.NoError(t, os.WriteFile(file, []byte(page(t, events)), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--user-data-dir="+filepath.Join(dir, "profile"), "--enable-logging=stderr", "--v=0", "--virtual-time-budget=5000", "--dump-dom", "file://"+file+hash)
	tied.Tie(cmd)
	cmd.WaitDelay = time.Second
	var said strings.Builder
	cmd.Stderr = &said
	dom, err := cmd.Output()
	require.NoError(t, err, said.String())
	require.Empty(t, console.FindAllString(said.String(), -1))
	return string(dom)
}

// TestChromiumGolden: the browser shows the lines of the golden transcripts.
func TestChromiumGolden(t *testing.T) {
	t.Parallel()
	all := scenario.All()
	for _, s := range []scenario.Scenario{all[0], all[len(all)/2], all[len(all)-1]} { // TestScenarios has all of them
		var events []event.Event
		var transcript string
		synctest.Test(t, func(t *testing.T) {
			ran := s.Run(t, scenario.Seats()[0], false, scenario.Desk())
			events, transcript = ran.Result.Events, runnertest.Transcript(ran.Result)
		})
		shown := textOf(opened(t, events, ""))
		lines := outside(transcript)
		require.NotEmpty(t, lines)
		for _, want := range lines {
			require.Contains(t, shown, want)
		}
	}
}

// TestChromium opens pages in a browser.
func TestChromium(t *testing.T) {
	t.Parallel()
	t.Run("story", func(t *testing.T) {
		t.Parallel()
		dom := opened(t, story(), "")
		require.Equal(t, textOf(page(t, story())), textOf(dom)) // the script adds no text
		require.NotContains(t, dom, `id="tools" role="search" hidden`)
	})
	t.Run("search", func(t *testing.T) {
		t.Parallel()
		dom := opened(t, story(), "#q=REFUND%20the%20lamp")
		require.Contains(t, dom, `<output id="count" for="q">1 of `)
		cards := regexp.MustCompile(`<article class="(?:message|turn|note) [a-z]*"(?: data-problem="")?( hidden="")?>\s*<div class="head">`).FindAllStringSubmatch(dom, -1)
		hidden := 0
		for _, c := range cards {
			if c[1] != "" {
				hidden++
			}
		}
		require.Greater(t, hidden, 10)
	})
	t.Run("search unfolds", func(t *testing.T) {
		t.Parallel()
		dom := opened(t, story(), "#q=the%20refund%20comes%20after")
		require.Contains(t, dom, `<output id="count" for="q">1 of `)
		require.Contains(t, dom, `<details open=""><summary><b>reasoning</b>`)
	})
	t.Run("hostile", func(t *testing.T) {
		t.Parallel()
		dom := opened(t, attacks(t), "#q=%3Cscript%3E")
		require.Equal(t, 1, strings.Count(dom, "<script"))
		require.NotContains(t, dom, "<img")
		require.NotContains(t, dom, "onload=\"")
	})
	t.Run("1000 turns", func(t *testing.T) {
		t.Parallel()
		began := time.Now()
		dom := opened(t, long(1000), `#q=%22n%22:1234}`)
		fmt.Printf("report: a page of 1000 turns was opened and searched in %v\n", time.Since(began).Round(time.Millisecond))
		require.Contains(t, dom, `<output id="count" for="q">1 of 1001</output>`)
	})
}
