package inspect_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/runner"
)

// seenBy is the page of session "s" for a visitor.
func seenBy(t *testing.T, h http.Handler, name string) got {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://desk.example/debug/?session=s", nil)
	r.Header.Set(user, name)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return got{w, textOf(w.Body.String())}
}

// TestStanding: a visitor answers for later calls, too, the page shows the answer with its
// person, and another visitor revokes it, once.
func TestStanding(t *testing.T) {
	t.Parallel()
	for reach, shown := range map[string]string{"tool": "Theanswerstandsforeverycallofthetool.", "arguments": "callswiththesearguments"} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t, "s")
			form := with(question(t, d.store, "s"), "always", "")
			require.Equal(t, http.StatusBadRequest, post(t, d.handler, "s", form, user, "ann").Code, "for which calls?")
			form.Set("reach", reach)
			require.Equal(t, http.StatusSeeOther, post(t, d.handler, "s", form, user, "ann").Code)
			require.NoError(t, <-d.ended)
			require.Equal(t, int64(48000), d.refunds.Load())
			page := seenBy(t, d.handler, "bob")
			require.Contains(t, page.text, "refundapprovedalwayscallsoforderdeskbyann")
			require.Contains(t, page.text, shown)
			require.Contains(t, page.Body.String(), `value="revoke"`)
			require.NotContains(t, seenBy(t, d.handler, "stranger").Body.String(), `value="revoke"`)

			state, err := runner.StateOf("s", d.store.Read(t.Context(), "s", 0))
			require.NoError(t, err)
			revoke := url.Values{"seq": {strconv.FormatInt(state.Standing[0].Seq, 10)}, "do": {"revoke"}}
			require.Equal(t, http.StatusForbidden, post(t, d.handler, "s", revoke, user, "stranger").Code)
			require.Equal(t, http.StatusSeeOther, post(t, d.handler, "s", revoke, user, "bob").Code)
			require.NoError(t, <-d.ended)
			late := post(t, d.handler, "s", revoke, user, "cleo")
			require.Equal(t, http.StatusConflict, late.Code)
			require.Contains(t, late.text, "Theanswerdoesnotstandanymore")
			page = seenBy(t, d.handler, "bob")
			require.NotContains(t, page.Body.String(), `value="revoke"`)
			require.Contains(t, page.text, "revokedbybob")
		})
	}
}

// TestStandingDenial: the reason goes to the model, and two revocations at once are one.
func TestStandingDenial(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "s")
		form := with(question(t, d.store, "s"), "never", "no refunds")
		form.Set("reach", "tool")
		require.Equal(t, http.StatusSeeOther, post(t, d.handler, "s", form, user, "ann").Code)
		require.NoError(t, <-d.ended)
		require.Zero(t, d.refunds.Load())
		state, err := runner.StateOf("s", d.store.Read(t.Context(), "s", 0))
		require.NoError(t, err)
		require.Equal(t, []string{"denied", "no refunds"}, []string{state.Standing[0].What, state.Standing[0].Words})
		d.handler.Answer = func(context.Context, string, runner.Input) error { return nil }
		revoke := url.Values{"seq": {strconv.FormatInt(state.Standing[0].Seq, 10)}, "do": {"revoke"}}
		require.Equal(t, http.StatusSeeOther, post(t, d.handler, "s", revoke, user, "bob").Code)
		late := post(t, d.handler, "s", revoke, user, "cleo")
		require.Equal(t, http.StatusConflict, late.Code)
		require.Contains(t, late.text, "Somebodywasfirst:revokedbybob")
		require.Contains(t, seenBy(t, d.handler, "cleo").text, "revokedbybob.Thesessionhasnotrecordedityet.")
	})
}
