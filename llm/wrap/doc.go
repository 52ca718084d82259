// Package wrap makes models out of models. A wrapper adds a single behaviour to
// every request and leaves the rest to the inner model, so wrappers stack like
// http.RoundTrippers:
//
//	m := wrap.Retry{Attempts: 6}.Model(inner)
//
// Of the wrappers, only Retry sends a request again. The models of package openai
// have a Retry by default; see openai.Config.
package wrap
