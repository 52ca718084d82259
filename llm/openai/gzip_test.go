package openai_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// TestGzipIsTheSame compares answers that this package unpacks with answers that net/http
// unpacks.
func TestGzipIsTheSame(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(ok))
	require.NoError(t, z.Close())
	packed := b.String()
	damaged := packed[:len(packed)/2] + "????" + packed[len(packed)/2+4:]
	for name, tt := range map[string]struct {
		status         int
		encoding, body string
	}{
		"packed":                 {200, "gzip", packed},
		"packed, twice":          {200, "gzip", packed + packed},
		"packed, in capitals":    {200, "GZIP", packed},
		"a packed error":         {429, "gzip", packed},
		"half":                   {200, "gzip", packed[:len(packed)/2]},
		"half of the header":     {200, "gzip", packed[:5]},
		"damaged":                {200, "gzip", damaged},
		"nothing":                {200, "gzip", ""},
		"plain, called packed":   {200, "gzip", ok},
		"plain":                  {200, "", ok},
		"of another kind":        {200, "br", packed},
		"no body":                {204, "gzip", ""},
		"packed, called nothing": {200, "", packed},
	} {
		var asked []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, fmt.Sprint(r.Header))
			if tt.encoding != "" {
				w.Header().Set("Content-Encoding", tt.encoding)
			}
			if tt.status != 204 {
				w.Header().Set("Content-Length", strconv.Itoa(len(tt.body)))
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(tt.status)
			_, _ = w.Write([]byte(tt.body))
		}))
		outcome := func(h *http.Client, header http.Header) string {
			c := openai.Config{BaseURL: server.URL, Key: "sk-test", HTTPClient: h, Header: header, Retry: wrap.Retry{Attempts: 1}}
			resp, err := c.Model("m").Generate(t.Context(), hello(), nil)
			return fmt.Sprint(resp, err)
		}
		for _, header := range []http.Header{nil, {"accept-encoding": {"gzip"}}, {"Accept-Encoding": {"identity"}}, {"Range": {"bytes=0-"}}} {
			asked = nil
			want := outcome(&http.Client{Transport: &http.Transport{}}, header)
			require.Equal(t, want, outcome(nil, header), name)
			require.Len(t, asked, 2)
			require.Equal(t, asked[0], asked[1], name)
		}
		server.Close()
	}
}
