package openai

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// A bareRoute is what the requests of a route have in common if bareConns can send them. It
// is nil for everything unusual, which net/http sends.
type bareRoute struct {
	address       string // of the server, with its port
	before, after []byte // the header; the length of the body stands between
}

// unusualHeaders change how a request is sent or answered.
var unusualHeaders = []string{
	"Connection", "Content-Length", "Expect", "Host", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection",
	"Range", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// newBareRoute returns the bareRoute of a URL and a header that has what askGzip adds.
func newBareRoute(u *url.URL, h http.Header) *bareRoute {
	if !hasBareConns || u.Scheme != "http" || u.User != nil || u.Opaque != "" || !usualTransport() {
		return nil
	}
	for _, name := range unusualHeaders {
		if _, has := h[name]; has {
			return nil
		}
	}
	address, ok := addressOf(u.Host)
	req := &http.Request{Method: http.MethodPost, URL: u, Header: h, ContentLength: 1, Body: io.NopCloser(strings.NewReader("x"))}
	if proxy := sharedTransport().(*http.Transport).Proxy; ok && proxy != nil {
		through, err := proxy(req)
		ok = through == nil && err == nil
	}
	var b bytes.Buffer
	if !ok || req.Write(&b) != nil { // the bytes of net/http, in its order
		return nil
	}
	before, rest, found := bytes.Cut(b.Bytes(), []byte("\r\nContent-Length: 1\r\n"))
	after, isWhole := bytes.CutSuffix(rest, []byte("\r\n\r\nx"))
	if !found || !isWhole || b.Len() > maxSmall/2 {
		return nil
	}
	return &bareRoute{address, []byte(string(before) + "\r\nContent-Length: "), []byte("\r\n" + string(after) + "\r\n\r\n")}
}

// addressOf returns host with a port, if it is a plain name or address.
func addressOf(host string) (string, bool) {
	name, port := host, "80"
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		name, port = host[:i], host[i+1:]
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "", false
		}
	}
	if inner, ok := strings.CutPrefix(name, "["); ok {
		name, ok = strings.CutSuffix(inner, "]")
		if !ok || net.ParseIP(name) == nil { // nor with a zone
			return "", false
		}
	} else if name == "" || strings.ContainsFunc(name, func(r rune) bool {
		return r != '.' && r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
	}) {
		return "", false
	}
	return net.JoinHostPort(name, port), true
}

// usualTransport reports whether the settings of the transport of this package, which come
// from http.DefaultTransport, say no more about HTTP/1 than bareConns do.
var usualTransport = sync.OnceValue(func() bool {
	t, ok := sharedTransport().(*http.Transport)
	return ok && usualProxy() && !t.DisableKeepAlives && !t.DisableCompression && t.MaxConnsPerHost == 0 && t.ResponseHeaderTimeout == 0 &&
		(t.Protocols == nil || t.Protocols.HTTP1() && !t.Protocols.UnencryptedHTTP2())
})

// maxDigits is the longest length of a body.
const maxDigits = 20

// header appends the header of a request with a body of that size.
func (r *bareRoute) header(b []byte, size int64) []byte {
	b = append(b, r.before...)
	b = strconv.AppendInt(b, size, 10)
	return append(b, r.after...)
}
