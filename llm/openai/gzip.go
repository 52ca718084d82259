package openai

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"sync"
)

// This file asks for gzip, and unpacks answers, in place of net/http, which makes a header of
// its own for each request, and tables of 40 KB for each packed answer. The rules are those of
// net/http: it asks only if the program does not, and the length and the encoding of an
// unpacked answer are unknown. TestGzipIsTheSame compares both.

const acceptEncoding = "Accept-Encoding"

// askGzip adds the header that asks for gzip, and reports whether it did. Clients of the
// program ask by themselves.
func (c *client) askGzip(h http.Header) bool {
	t, ok := sharedTransport().(*http.Transport)
	if !ok || !c.keepsRequests() || t.DisableCompression || len(h[acceptEncoding]) > 0 || h.Get("Range") != "" {
		return false
	}
	if _, set := h[acceptEncoding]; set {
		return false
	}
	h[acceptEncoding] = []string{"gzip"}
	return true
}

// unpacked changes a packed answer to the form without a packing.
func unpacked(resp *http.Response) {
	if !strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") || resp.Body == http.NoBody {
		return
	}
	resp.Body = &gzipBody{body: resp.Body}
	resp.Header.Del("Content-Encoding")
	resp.Header.Del("Content-Length")
	resp.ContentLength, resp.Uncompressed = -1, true
}

// gzipReaders are readers of bodies that were closed.
var gzipReaders = sync.Pool{New: func() any { return new(gzip.Reader) }}

// A gzipBody unpacks a body. It belongs to one goroutine.
type gzipBody struct {
	body   io.ReadCloser
	reader *gzip.Reader // nil before the first Read, and after Close
	err    error
}

// Read implements [io.Reader].
func (b *gzipBody) Read(p []byte) (int, error) {
	if b.reader == nil && b.err == nil {
		b.reader = gzipReaders.Get().(*gzip.Reader)
		b.err = b.reader.Reset(b.body)
	}
	if b.err != nil {
		return 0, b.err
	}
	return b.reader.Read(p)
}

// Close implements [io.Closer].
func (b *gzipBody) Close() error {
	if b.reader != nil {
		gzipReaders.Put(b.reader)
		b.reader, b.err = nil, http.ErrBodyReadAfterClose
	}
	return b.body.Close()
}
