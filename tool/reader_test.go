package tool_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/mutant"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// returnsBounded is returns with a bound on the text.
func returnsBounded[Out any](t *testing.T, limit int, out Out) (llm.Parts, error) {
	t.Helper()
	returning := tool.Must(tool.New("returning", "", func(context.Context, struct{}) (Out, error) { return out, nil }, tool.MaxResult(limit)))
	return returning.Call(t.Context(), json.RawMessage(`{}`))
}

// closing is a reader that counts the calls of Close.
type closing struct {
	io.Reader
	closed int
	err    error
}

func (c *closing) Close() error { c.closed++; return c.err }

// jsonReader defines its JSON, which takes precedence.
type jsonReader struct{ *strings.Reader }

func (jsonReader) MarshalJSON() ([]byte, error) { return []byte(`{"a":1}`), nil }

// zeros is a reader of n bytes that takes no memory.
func zeros(n int64) io.Reader { return io.LimitReader(zero{}, n) }

type zero struct{}

func (zero) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func TestReaders(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a.txt")
	require.NoError(t, os.WriteFile(file, []byte("from a file"), 0o600))
	opened, err := os.Open(file)
	require.NoError(t, err)
	const eight = "abcdefgh"
	tests := []struct {
		name  string
		limit int
		out   any
		want  string
	}{
		{"short", 10, strings.NewReader(eight), eight},
		{"as long as may be", 8, strings.NewReader(eight), eight},
		{"one byte longer", 7, strings.NewReader(eight), "abcdefg\n[The result is cut off: 1 of its 8 bytes are left out.]"},
		{"one byte at a time", 3, iotest.OneByteReader(strings.NewReader(eight)), "abc\n[The result is cut off: 5 of its 8 bytes are left out.]"},
		{"data with the end", 8, iotest.DataErrReader(strings.NewReader(eight)), eight},
		{"no limit", -1, strings.NewReader(eight), eight},
		{"empty", 8, strings.NewReader(""), "(no output)"},
		{"buffer", 8, bytes.NewBufferString(eight), eight},
		{"empty buffer", 8, new(bytes.Buffer), "(no output)"},
		{"file", 20, opened, "from a file"},
		{"no file", 8, (*os.File)(nil), "(no output)"},
		{"no buffer", 8, (*bytes.Buffer)(nil), "(no output)"},
		{"JSON of its own", 8, jsonReader{strings.NewReader(eight)}, `{"a":1}`},
		{"cut inside a rune", 3, strings.NewReader("aéé"), "aé\n[The result is cut off: 2 of its 5 bytes are left out.]"},
		{"cut inside a rune of four", 3, strings.NewReader("😀"), "\n[The result is cut off: 4 of its 4 bytes are left out.]"},
		{
			"inside a rune where reading ends", 1, strings.NewReader(strings.Repeat("é", 10<<10)),
			"\n[The result is cut off: 20480 of its 20480 bytes are left out.]",
		},
		{
			"bytes that are not text, beyond what is looked at", 1, io.MultiReader(zeros(8<<10), strings.NewReader("\xff")),
			"0\n[The result is cut off: 8192 of its 8193 bytes are left out.]",
		},
		{
			"much more", 4, zeros(64<<20 + 4<<10 + 3),
			"0000\n[The result is cut off: 67112959 of its 67112963 bytes are left out.]",
		},
		{
			"more than is counted", 4, zeros(1 << 40),
			"0000\n[The result is cut off: 67112960 of its more than 67112964 bytes are left out.]",
		},
		{
			"a credential where the bound is", 14, strings.NewReader("https://ann:s3cret@example.com/x"),
			"https://[redac\n[The result is cut off: 18 of its 32 bytes are left out.]",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := returnsBounded(t, tt.limit, tt.out)
			require.NoError(t, err)
			require.Equal(t, tt.want, llm.Message{Parts: got}.Text())
		})
	}
}

// TestReadersAreClosed: once, whatever became of reading.
func TestReadersAreClosed(t *testing.T) {
	t.Parallel()
	errRead, errClose := errors.New("the read broke"), errors.New("the close broke")
	for _, tt := range []struct {
		name  string
		from  io.Reader
		close error
		want  error
	}{
		{"fine", strings.NewReader("abc"), nil, nil},
		{"longer than the bound", zeros(100), nil, nil},
		{"close fails", strings.NewReader("abc"), errClose, errClose},
		{"read fails at once", iotest.ErrReader(errRead), nil, errRead},
		{"read fails midway", io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(errRead)), nil, errRead},
		{"read fails beyond the bound", io.MultiReader(zeros(100<<10), iotest.ErrReader(errRead)), nil, errRead},
		{"both fail", iotest.ErrReader(errRead), errClose, errRead},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := &closing{Reader: tt.from, err: tt.close}
			got, err := returnsBounded[io.Reader](t, 10, c)
			require.Equal(t, 1, c.closed)
			if tt.want == nil {
				require.NoError(t, err)
				require.NotEmpty(t, got)
				return
			}
			require.ErrorIs(t, err, tt.want)
			requireUnfit(t, err)
		})
	}
}

// TestReadersThatPanic: the call fails, and the reader is closed.
func TestReadersThatPanic(t *testing.T) {
	t.Parallel()
	c := &closing{Reader: iotest.DataErrReader(nil)}
	_, err := returnsBounded[io.Reader](t, 10, c)
	e, ok := errors.AsType[*tool.Error](err)
	require.True(t, ok)
	require.Equal(t, tool.Panicked, e.Failure)
	require.Equal(t, 1, c.closed)
}

func requireUnfit(t *testing.T, err error) {
	t.Helper()
	e, ok := errors.AsType[*tool.Error](err)
	require.True(t, ok)
	require.Equal(t, tool.Failed, e.Failure)
	require.Equal(t, "The tool ran, but its result could not be written down.", e.Message)
}

// TestReadersOfNoText: bytes are for an Image or a File.
func TestReadersOfNoText(t *testing.T) {
	t.Parallel()
	for _, binary := range []string{"\x89PNG\r\n\x1a\n\x00\xff", "\xff", "é\xc3", "\xc3"} {
		_, err := returns[io.Reader](t, strings.NewReader(binary))
		requireUnfit(t, err)
		require.ErrorContains(t, err, "the bytes are not text; return an llm.Image or llm.File")
	}
}

// TestMaxResult: the bound holds for every form of text, and -1 is none.
func TestMaxResult(t *testing.T) {
	t.Parallel()
	const cutTo5 = "abcde\n[The result is cut off: 3 of its 8 bytes are left out.]"
	for name, out := range map[string]any{
		"string": "abcdefgh", "bytes": []byte("abcdefgh"), "raw JSON": json.RawMessage("abcdefgh"),
		"part": llm.Text{Text: "abcdefgh"}, "parts": llm.Parts{llm.Text{Text: "abc"}, llm.Text{Text: "defgh"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := returnsBounded(t, 5, out)
			require.NoError(t, err)
			require.Equal(t, cutTo5, llm.Message{Parts: got}.Text())
		})
	}
	got, err := returnsBounded(t, 4, map[string]int{"a": 1})
	require.NoError(t, err)
	require.Equal(t, `{"a"`+"\n[The result is cut off: 3 of its 7 bytes are left out.]", llm.Message{Parts: got}.Text())

	long := strings.Repeat("é", 1<<20)
	got, err = returnsBounded(t, -1, long)
	require.NoError(t, err)
	require.Equal(t, llm.Parts{llm.Text{Text: long}}, got)

}

// TestHugeResults: to look for credentials costs no huge time, and nothing for
// what is cut off.
func TestHugeResults(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"see https://ann:s3cret@example.com and ann@example.com; ", "a://b:c ", "a://b:c", "a://b:1/", "://", "a", "@", "[", "a://b:c@d"} {
		for _, limit := range []int{-1, 256 << 10} {
			huge := strings.Repeat(unit, mutant.Some(2<<20)/len(unit)) + " a://b:s3cret@c"
			var got llm.Parts
			var err error
			took := spent(func() { got, err = returnsBounded(t, limit, huge) })
			require.NoError(t, err)
			require.Less(t, took, 10*aSecond, unit)
			require.NotContains(t, llm.Message{Parts: got}.Text(), "s3cret")
		}
	}
}

// TestEmptyTextIsLeftOut: some providers refuse it.
func TestEmptyTextIsLeftOut(t *testing.T) {
	t.Parallel()
	image := llm.Image{URL: "https://example.com/a.png"}
	got, err := returns(t, llm.Parts{llm.Text{}, image, llm.Text{Text: "x"}, llm.Text{}})
	require.NoError(t, err)
	require.Equal(t, llm.Parts{image, llm.Text{Text: "x"}}, got)
}

// TestData: images, audio and files are held to 32 MiB together.
func TestData(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	data := make([]byte, 32*mib+1)
	left := func(what string, size string) llm.Part {
		return llm.Text{Text: "[" + what + " of " + size + " bytes is left out: a result holds at most 33554432.]"}
	}
	for _, tt := range []struct {
		name string
		out  llm.Parts
		want llm.Parts // nil: as out
	}{
		{"as much as may be", llm.Parts{llm.Image{Data: data[:16*mib]}, llm.File{Data: data[:16*mib]}}, nil},
		{"image", llm.Parts{llm.Image{Data: data}}, llm.Parts{left("An image", "33554433")}},
		{"audio", llm.Parts{llm.Audio{Data: data}}, llm.Parts{left("Audio", "33554433")}},
		{"file", llm.Parts{llm.File{Data: data}}, llm.Parts{left("A file", "33554433")}},
		{"image in a URL", llm.Parts{llm.Image{URL: "data:image/png;base64," + strings.Repeat("A", 32*mib)}}, llm.Parts{left("An image", "33554454")}},
		{
			"the sum", llm.Parts{llm.Text{Text: "three"}, llm.Image{Data: data[:31*mib]}, llm.Audio{Data: data[:2*mib]}, llm.File{Data: data[:mib]}},
			llm.Parts{llm.Text{Text: "three"}, llm.Image{Data: data[:31*mib]}, left("Audio", "2097152"), llm.File{Data: data[:mib]}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := returnsBounded(t, 5, tt.out)
			require.NoError(t, err)
			if tt.want == nil {
				tt.want = tt.out
			}
			require.True(t, equalParts(tt.want, got), "%d parts", len(got)) // no diff of 32 MiB
		})
	}
}

func equalParts(a, b llm.Parts) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// TestCredentialsInResults: credentials are removed. Text that only looks similar stays,
// because the model works with the result.
func TestCredentialsInResults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"password", "DB=postgres://ann:s3cret@db.local:5432/x", "DB=postgres://[redacted]@db.local:5432/x"},
		{"token", "git clone https://ghp_abc@github.com/a/b", "git clone https://[redacted]@github.com/a/b"},
		{"in JSON", `{"url":"amqp://u:p@ss@host/x"}`, `{"url":"amqp://[redacted]@host/x"}`},
		{"in a list", "https://a:b@c,https://d:e@f", "https://[redacted]@c,https://[redacted]@f"},
		{"host with brackets", "redis://u:p@[::1]:6379/0", "redis://[redacted]@[::1]:6379/0"},
		{"behind a port", "http://h:8080/x?next=https://ann:s3cret@example.com", "http://h:8080/x?next=https://[redacted]@example.com"},
		{"no name", "redis://:s3cret@host", "redis://[redacted]@host"},
		{"two in one", "a://u:p@h b://v:q@i", "a://[redacted]@h b://[redacted]@i"},
		{"list mark in the password", "amqp://u:p,q)r@host", "amqp://[redacted]@host"},
		{"digits", "redis://app:12345@db", "redis://[redacted]@db"},
		{"escaped text", `{"a":"x=\"postgres://ann:s3cret@db\"\n"}`, `{"a":"x=\"postgres://[redacted]@db\"\n"}`},
		{"host that is a template", "postgres://ann:s3cret@${HOST}/x", "postgres://[redacted]@${HOST}/x"},
		{"token as user", "https://ghp_abc:x-oauth-basic@github.com https://x-access-token:abc@github.com", "https://[redacted]@github.com https://[redacted]@github.com"},
		{"token of GitLab", "https://glpat-abc@gitlab.com/a", "https://[redacted]@gitlab.com/a"},
		{"ssh with a password", "ssh://ann:s3cret@host", "ssh://[redacted]@host"},

		{"port", "http://localhost:8080/a/b?c=d#e", ""},
		{"port and an @", "http://localhost:4873/@scope/pkg and https://h:443/u@v", ""},
		{"port and a mail address", "https://h:8443/x, write to ann@example.com", ""},
		{"port of a database and a mail address", "postgres://db:5432/x is down, ask ann@example.com", ""},
		{"query", "https://h/list?page_token=abc&key=def&sig=1&user=ann@example.com", ""},
		{"path with an @", "https://medium.com/@ann/post https://h/a@b", ""},
		{"mail addresses", "ann@example.com, mailto:bob@example.com", ""},
		{"CSV", "Acme,https://acme.example,info@acme.example\nBit;https://bit.example;b@bit.example", ""},
		{"table", "|https://acme.example|info@acme.example|", ""},
		{"Markdown", "[Acme](https://acme.example),info@acme.example", ""},
		{"IPv6", "http://[::1]:8080/a@b http://[fe80::1]/ ask ann@example.com", ""},
		{"login without a password", "ssh://git@github.com/a/b.git git+ssh://git@github.com/a/b sftp://ann@host/x", ""},
		{"digest", "docker-pullable://nginx@sha256:0a1b oci://registry:5000/x@sha256:ff", ""},
		{"template", "https://${TOKEN}@github.com", ""},
		{"template of a password", "postgres://$USER:$PASS@h postgres://u:${PASS}@h a://{user}:{pass}@h a://u:{{ pass }}@h https://%s:%s@h", ""},
		{"stars", "postgres://ann:***@h a://u:...@h", ""},
		{"user alone", "https://user@dev.azure.com/org/_git/x git://git@example.com/a https://ann@bitbucket.org/a.git svn+https://ann@h/x", ""},
		{"user that is a number of words", "https://first.last-x@h/a", ""},
		{"public key", "enode://6f8a80d14311c39f35f516fa664deaaaa13e85b2f7493f37f6144d86991ec012@52.16.188.185:30303 https://0a1b2c3d@o12.ingest.sentry.io/4 lightning://02abc@1.2.3.4:9735", ""},
		{"path of Windows", `file://C:/Users/ann@corp/x file://C:\Users\ann@corp`, ""},
		{"tag of an image", "docker://app:v1.2@sha256:0a1b s3://bucket:v1/a@b gs://x:y/a@b", ""},
		{"host and port as a user", "memcached://10.0.0.1:11211@2", ""},
		{"list behind a port", "https://h:443,ann@example.com (https://h:443)ann@example.com https://h:,ann@example.com", ""},
		{"blank behind a colon", "see https://h: write to ann@example.com", ""},
		{"slash behind a colon", "http://h:/a@b", ""},
		{"escaped", `{"a":"http://h:1\n","b":"ann@example.com"}`, ""},
		{"code", `if strings.Contains(s, "://") && strings.Contains(s, "@") {`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.want == "" {
				tt.want = tt.text
			}
			for _, out := range []any{tt.text, []byte(tt.text), llm.Text{Text: tt.text}, io.Reader(strings.NewReader(tt.text))} {
				got, err := returns(t, out)
				require.NoError(t, err)
				require.Equal(t, llm.Parts{llm.Text{Text: tt.want}}, got)
			}
		})
	}
	got, err := returns(t, struct{ U string }{"https://a:b@c/?x=1&y=<z>"})
	require.NoError(t, err)
	require.Equal(t, `{"U":"https://[redacted]@c/?x=1&y=<z>"}`, llm.Message{Parts: got}.Text())
}

// TestKeepPasswords: whoever runs the call can leave results as they are, and not
// the texts of errors.
func TestKeepPasswords(t *testing.T) {
	t.Parallel()
	const text = "postgres://ann:s3cret@db"
	ctx := tool.WithCall(t.Context(), tool.Call{KeepPasswords: true}, nil)
	told := tool.Reconcile(func(context.Context, tool.Call, json.RawMessage) (string, bool, error) { return text, true, nil })
	both := tool.Must(tool.New("both", "", func(_ context.Context, in struct{ Fail bool }) (string, error) {
		if in.Fail {
			return "", errors.New(text)
		}
		return text, nil
	}))
	got, err := both.Call(ctx, json.RawMessage(`{"Fail":false}`))
	require.NoError(t, err)
	require.Equal(t, llm.Parts{llm.Text{Text: text}}, got)
	_, err = both.Call(ctx, json.RawMessage(`{"Fail":true}`))
	require.EqualError(t, err, "failed: postgres://[redacted]@db")

	asked := tool.Must(tool.New("asked", "", func(context.Context, struct{}) (string, error) { return text, nil }, told))
	got, happened, err := asked.Reconcile(t.Context(), tool.Call{KeepPasswords: true}, json.RawMessage(`{}`))
	require.NoError(t, err)
	require.True(t, happened)
	require.Equal(t, llm.Parts{llm.Text{Text: text}}, got)
	got, _, err = asked.Reconcile(t.Context(), tool.Call{}, json.RawMessage(`{}`))
	require.NoError(t, err)
	require.Equal(t, llm.Parts{llm.Text{Text: "postgres://[redacted]@db"}}, got)
}
