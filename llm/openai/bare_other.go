//go:build !unix

package openai

import "net/http"

// hasBareConns is false where bareConns cannot be written. net/http sends all requests.
const hasBareConns = false

type bareExchange struct{ late bool }

func (b *bareExchange) prepare() {}

func (b *bareExchange) clean() {}

func (x *exchange) doBare(*bareRoute) (*http.Response, error) { return nil, http.ErrNotSupported }
