package llmtest

import (
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// Track lets a test say when a connection was accepted.
func (s *Server) Track(c net.Conn, state http.ConnState) { s.track(c, state) }

// CheckModel checks the rules of TestModel on a model that may break them, and
// returns what each rule says.
func CheckModel(t *testing.T, patience time.Duration, newModel func(t *testing.T, steps ...Step) llm.Model) map[string]string {
	s := suite{newModel: newModel, patience: patience}
	broken := map[string]string{}
	for _, r := range rules() {
		if err := r.check(s, t); err != nil {
			broken[r.name] = err.Error()
		}
	}
	return broken
}
