package wrap

// WithRandom returns r with a source of its own for the jitter.
func (r Retry) WithRandom(f func() float64) Retry {
	r.random = f
	return r
}
