package clip_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
)

// TestClips has characters of one to four bytes: a cut is never inside of one.
func TestClips(t *testing.T) {
	t.Parallel()
	const text = "aé€😀" // 1+2+3+4 bytes
	for limit, want := range map[int]struct{ cut, bytes, runes, counted string }{
		0:  {"", "…", "…", "… (10 more bytes)"},
		1:  {"a", "a…", "a…", "a… (9 more bytes)"},
		2:  {"a", "a…", "aé…", "a… (9 more bytes)"},
		3:  {"aé", "aé…", "aé€…", "aé… (7 more bytes)"},
		5:  {"aé", "aé…", text, "aé… (7 more bytes)"},
		9:  {"aé€", "aé€…", text, "aé€… (4 more bytes)"},
		10: {text, text, text, text},
		11: {text, text, text, text},
	} {
		require.Equal(t, want.cut, clip.Cut(text, limit), limit)
		require.Equal(t, want.bytes, clip.Bytes(text, limit), limit)
		require.Equal(t, want.runes, clip.Runes(text, limit), limit)
		require.Equal(t, want.counted, clip.Counted(text, limit, 0), limit)
	}
	require.Equal(t, text+"… (5 more bytes)", clip.Counted(text, 10, 5))
	require.Equal(t, "a… (14 more bytes)", clip.Counted(text, 1, 5))
}

// TestBoundary: from inside a character, the next boundary is its end.
func TestBoundary(t *testing.T) {
	t.Parallel()
	var got []int
	for i := range 12 {
		got = append(got, clip.Boundary("aé€😀", i))
	}
	require.Equal(t, []int{0, 1, 3, 3, 6, 6, 6, 10, 10, 10, 10, 11}, got)
}

func TestCount(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"0 steps", "1 step", "2 steps"}, []string{clip.Count(0, "step"), clip.Count(1, "step"), clip.Count(2, "step")})
}
