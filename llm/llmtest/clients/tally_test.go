package clients_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// tally counts by client the answers that the client was asked for, and the answers
// that it took.
var tally struct {
	sync.Mutex
	asked, took map[string]int
}

func TestMain(m *testing.M) {
	code := m.Run()
	if len(tally.asked) > 0 {
		fmt.Println(figures())
	}
	os.Exit(code)
}

func figures() string {
	asked, took := 0, 0
	var each []string
	for _, name := range slices.Sorted(maps.Keys(tally.asked)) {
		asked, took = asked+tally.asked[name], took+tally.took[name]
		each = append(each, fmt.Sprintf("%s %d", name, tally.took[name]))
	}
	return fmt.Sprintf("clients: %d of %d answers (%s)", took, asked, strings.Join(each, ", "))
}

// run runs a test of one answer, and counts it.
func (c client) run(t *testing.T, name string, q question, test func(t *testing.T)) {
	t.Helper()
	ok := t.Run(fmt.Sprintf("%s, %s", name, q), test)
	tally.Lock()
	defer tally.Unlock()
	if tally.asked == nil {
		tally.asked, tally.took = map[string]int{}, map[string]int{}
	}
	tally.asked[c.name]++
	if ok {
		tally.took[c.name]++
	}
}
