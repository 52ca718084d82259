package load

import (
	"bufio"
	"bytes"
	"os"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Peak is the most that this process had at a time.
type Peak struct {
	Heap       uint64 // bytes of objects
	Resident   uint64 // bytes, since it started; 0: this system does not tell
	Goroutines uint64
}

// A watcher looks every now and then.
type watcher struct {
	peak Peak
	end  chan struct{}
	done sync.WaitGroup
}

// every is how often a watcher looks.
const every = 50 * time.Millisecond

func watch() *watcher {
	w := &watcher{end: make(chan struct{})}
	w.done.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			w.look()
			select {
			case <-tick.C:
			case <-w.end:
				return
			}
		}
	})
	return w
}

func (w *watcher) look() {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/sched/goroutines:goroutines"}}
	metrics.Read(samples)
	w.peak.Heap = max(w.peak.Heap, samples[0].Value.Uint64())
	w.peak.Goroutines = max(w.peak.Goroutines, samples[1].Value.Uint64())
}

func (w *watcher) stop() Peak {
	close(w.end)
	w.done.Wait()
	w.peak.Resident = resident()
	return w.peak
}

// resident reads what Linux tells of the most memory that this process had.
func resident() uint64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for lines := bufio.NewScanner(bytes.NewReader(status)); lines.Scan(); {
		rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:")
		if !ok {
			continue
		}
		kilobytes, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		return kilobytes * 1024
	}
	return 0
}
