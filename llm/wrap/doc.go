// Package wrap makes models out of models. A wrapper adds a single behaviour to
// every request and leaves the rest to the inner model, so wrappers stack like
// http.RoundTrippers:
//
//	m := wrap.Fallback{}.Model(openai.Model("gpt-4o"), wrap.Retry{Attempts: 6}.Model(mine))
//
// The wrappers:
//
//   - [Retry] sends a failed request again. The models of package openai have a Retry by
//     default; see openai.Config.
//   - [Fallback] sends a failed request to another model.
//   - [Limiter] delays requests until they fit into the limits of an account.
//   - [Cache] answers an equal request from memory or from a directory.
//   - [Log] writes a record for each request.
//
// A wrapper does not change the request, and passes on all deltas of the inner model. A
// mistake in its fields is an error of Generate, before anything is sent.
package wrap
