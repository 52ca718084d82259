package llmtest

import (
	"net"
	"net/http"
)

// Track lets a test say when a connection was accepted.
func (s *Server) Track(c net.Conn, state http.ConnState) { s.track(c, state) }

// Updating tells what a flag and an environment say.
var Updating = updating
