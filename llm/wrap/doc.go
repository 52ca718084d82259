// Package wrap makes models out of models. A wrapper adds one behaviour to
// every request and leaves the rest to the model inside, so wrappers stack like
// http.RoundTrippers:
//
//	m := wrap.Retry{Attempts: 6}.Model(inner)
//
// Retry is the only place in this module that sends a request again. Package
// openai puts it around its models by itself; see openai.Config.
package wrap
