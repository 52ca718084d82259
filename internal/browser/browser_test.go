package browser_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/browser"
)

// TestBrowser: a page is opened, read, clicked and written into.
func TestBrowser(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<meta name="viewport" content="width=device-width"><body><p>` + r.URL.Path + ` ` + r.FormValue("name") + `</p><form action="next"><input name="name"><button>Go</button></form><script>console.log('hello'); later()</script>`))
	}))
	defer server.Close()
	p := browser.Start(t).Open(server.URL + "/first")
	p.Shows("/first")
	p.Click("input")
	p.Type("an n")
	p.Follow("button")
	p.Shows("/next an n")
	p.Press("Tab")
	p.Press("x")
	require.Equal(t, "x", p.Eval(`document.querySelector('input').value`))
	p.Screen(390, 844, true)
	require.Equal(t, []any{390.0, true}, p.Eval(`Promise.resolve([innerWidth, matchMedia('(prefers-color-scheme: dark)').matches])`))
	require.Equal(t, "\x89PNG", string(p.Picture()[:4]))
	require.Contains(t, p.Said()[0], "hello")
	require.Contains(t, p.Said()[1], "later is not defined")
}
