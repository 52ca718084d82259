//go:build unix

package openai

import (
	"bytes"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// This file reads the header of a usual answer: success, a body of known length, and short
// lines that came together. http.ReadResponse makes fifteen allocations for it, and was a
// fifteenth of the time of a short run. It reads all other headers. FuzzBare compares both.

// maxUsual is the largest number of lines of a usual header.
const maxUsual = 24

// A usualHeader is memory for the header of an answer. Nobody keeps the header beyond the
// answer.
type usualHeader struct {
	resp   http.Response
	header http.Header
	values [maxUsual]string
}

// read returns the response whose header is at the start of data, and the length of the
// header. It returns nil for an unusual header.
func (u *usualHeader) read(data []byte, req *http.Request) (*http.Response, int) {
	end := bytes.Index(data, []byte("\r\n\r\n"))
	if end < 0 {
		return nil, 0
	}
	lines, ok := bytes.CutPrefix(data[:end+2], []byte("HTTP/1.1 200 OK\r\n"))
	if !ok {
		return nil, 0
	}
	if u.header == nil {
		u.header = make(http.Header, maxUsual)
	}
	length := u.lines(string(lines))
	if length <= 0 {
		clear(u.header)
		return nil, 0
	}
	u.resp = http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: u.header, ContentLength: length, Request: req,
	}
	return &u.resp, end + 4
}

// lines reads the lines into the header, and returns the length of the body, or -1 if
// it is not known or something is unusual.
func (u *usualHeader) lines(text string) (length int64) {
	length = -1
	for i := 0; text != ""; i++ {
		var line string
		line, text, _ = strings.Cut(text, "\r\n")
		name, value, ok := strings.Cut(line, ":")
		if !ok || i == len(u.values) || !isName(name) || !isValue(value) {
			return -1
		}
		value = strings.Trim(value, " ")
		switch name = textproto.CanonicalMIMEHeaderKey(name); name {
		case "Content-Length":
			n, err := strconv.ParseUint(value, 10, 40)
			if err != nil || length >= 0 {
				return -1
			}
			length = int64(n)
		case "Connection":
			if value != "keep-alive" {
				return -1
			}
		case "Pragma", "Trailer", "Transfer-Encoding", "Upgrade":
			return -1
		}
		if earlier := u.header[name]; earlier != nil {
			u.header[name] = append(earlier, value)
			continue
		}
		u.values[i] = value
		u.header[name] = u.values[i : i+1 : i+1]
	}
	return length
}

// isName reports whether a name has letters, digits and hyphens only.
func isName(s string) bool {
	for _, c := range []byte(s) {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s != ""
}

// isValue reports whether a value has visible characters of ASCII and spaces only.
func isValue(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// clean forgets the header.
func (u *usualHeader) clean() {
	if len(u.header) > maxUsual {
		u.header = nil
	}
	clear(u.header)
	*u = usualHeader{header: u.header}
}
