package openai

import (
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// retryAfter returns how long the provider asks to wait; 0 if it does not say,
// or if the moment is past. The most definite source wins: retry-after-ms,
// Retry-After, the reset of a limit of which nothing remains, and what the body
// says.
func retryAfter(h http.Header, f errorBody, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms > 0 && !math.IsInf(ms, 1) {
		return scale(ms, time.Millisecond)
	}
	for _, wait := range []func() time.Duration{
		func() time.Duration { return moment(h.Get("Retry-After"), now) },
		func() time.Duration { return limitReset(h, now) },
		func() time.Duration { return moment(f.reset, now) },
		func() time.Duration { return moment(f.delay, now) },
		func() time.Duration { return hinted(f.message, now) },
	} {
		if d := wait(); d > 0 {
			return d
		}
	}
	return 0
}

// limitReset returns the longest of the resets whose limit is used up.
func limitReset(h http.Header, now time.Time) (longest time.Duration) {
	for name := range h {
		limit, ok := strings.CutPrefix(strings.ToLower(name), "x-ratelimit-reset")
		if ok && strings.TrimSpace(h.Get("x-ratelimit-remaining"+limit)) == "0" {
			longest = max(longest, moment(h.Get(name), now))
		}
	}
	return longest
}

// moment reads a date, a duration such as 2m59.56s, or a number: seconds from
// now, or of the epoch, or milliseconds of the epoch, which its size tells.
func moment(s string, now time.Time) time.Duration {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		switch {
		case !(n > 0) || math.IsInf(n, 1): // NaN, too
			return 0
		case n > 1e12:
			return time.UnixMilli(int64(min(n, 1e15))).Sub(now)
		case n > 1e9:
			return time.Unix(int64(n), 0).Sub(now)
		}
		return scale(n, time.Second)
	}
	if d, err := time.ParseDuration(s); err == nil {
		return d
	}
	if t, err := http.ParseTime(s); err == nil {
		return t.Sub(now)
	}
	return 0
}

const longestWait = 100 * 365 * 24 * time.Hour

// scale multiplies, up to the longest wait.
func scale(n float64, unit time.Duration) time.Duration {
	if n > float64(longestWait/unit) {
		return longestWait
	}
	return time.Duration(n * float64(unit))
}

var (
	hint      = regexp.MustCompile(`(?i)\b(?:try again|retry|retrying|wait)(?: in| after| for)? ((?:\d+(?:\.\d+)?\s*[a-z]+\s*)+)`)
	hintPiece = regexp.MustCompile(`(?i)(\d+(?:\.\d+)?)\s*([a-z]+)`)
	hintReset = regexp.MustCompile(`(?i)\breset at (\d{10,13})\b`)
)

// hinted reads "Please try again in 5.289s" and its like out of a message.
func hinted(message string, now time.Time) (d time.Duration) {
	if m := hintReset.FindStringSubmatch(message); m != nil {
		return moment(m[1], now)
	}
	m := hint.FindStringSubmatch(message)
	if m == nil {
		return 0
	}
	for _, piece := range hintPiece.FindAllStringSubmatch(m[1], -1) {
		unit := hintUnit(strings.ToLower(piece[2]))
		if unit == 0 {
			break
		}
		n, _ := strconv.ParseFloat(piece[1], 64)
		d = min(d+scale(n, unit), longestWait)
	}
	return d
}

// hintUnit returns 0 for what is no unit of time.
func hintUnit(name string) time.Duration {
	switch strings.TrimSuffix(name, "s") {
	case "m", "min", "minute":
		if name == "ms" {
			return time.Millisecond
		}
		return time.Minute
	case "millisecond", "milli":
		return time.Millisecond
	case "", "sec", "second":
		return time.Second
	case "h", "hr", "hour":
		return time.Hour
	}
	return 0
}
