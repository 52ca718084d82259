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

// Peak is the largest memory use of this process.
type Peak struct {
	Heap       uint64 // bytes of objects
	Resident   uint64 // bytes, since the start of the process; 0 means that the system does not report it
	Goroutines uint64
}

// A watcher samples the memory at intervals.
type watcher struct {
	peak Peak
	end  chan struct{}
	done sync.WaitGroup
}

// every is the interval of a watcher.
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

// resident reads the peak of the resident memory on Linux.
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
