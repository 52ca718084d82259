package openai

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// maxRateLimits and maxLimitName bound what a provider can make us keep.
const (
	maxRateLimits = 16
	maxLimitName  = 64
)

// rateLimits reads the headers x-ratelimit-remaining… and their limits and resets. A
// negative rest (Azure, for "unknown") and a limit of zero say nothing.
// Source: https://platform.openai.com/docs/guides/rate-limits, read 2026-11-29.
func rateLimits(h http.Header, now time.Time) []llm.RateLimit {
	const prefix = "X-Ratelimit-Remaining" // as net/http writes it
	var all []llm.RateLimit
	for name, values := range h {
		suffix, ok := strings.CutPrefix(name, prefix)
		if !ok || len(values) == 0 || suffix != "" && suffix[0] != '-' {
			continue
		}
		rest, ok := limitNumber(values[0])
		limit, stated := limitNumber(h.Get("x-ratelimit-limit" + suffix))
		if !ok || rest < 0 || stated && limit <= 0 {
			continue
		}
		all = append(all, llm.RateLimit{
			Name:  clip.Cut(strings.ToLower(strings.TrimPrefix(suffix, "-")), maxLimitName),
			Limit: limit, Remaining: rest, Reset: max(0, moment(h.Get("x-ratelimit-reset"+suffix), now)),
		})
	}
	slices.SortFunc(all, func(a, b llm.RateLimit) int { return cmp.Compare(a.Name, b.Name) })
	return all[:min(len(all), maxRateLimits)]
}

// limitNumber reads "150000", and the first number of "100, 100;w=60".
func limitNumber(s string) (int64, bool) {
	if end := strings.IndexAny(s, ",;"); end >= 0 {
		s = s[:end]
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || !(f > -1e15 && f < 1e15) { // NaN, too
		return 0, false
	}
	return int64(f), true
}
