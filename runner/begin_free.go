package runner

import "context"

// Nearly always each call of a turn finds its slots free, and no tool of the turn is
// [tool.Alone]. The engine's goroutine then begins the calls, without the goroutines,
// contexts and lists that a wait for slots needs. At the first call that must wait, the
// general path continues with that call and all calls after it.

// beginFree begins jobs until a job must wait, and returns the jobs from there on.
func (s *scheduler) beginFree(ctx context.Context, jobs []execution) (waiting []execution) {
	for i := range jobs {
		if len(jobs) > 1 && jobs[i].tool.Alone() {
			return jobs
		}
	}
	for i := range jobs {
		x := &jobs[i]
		free, ok := x.tool.TryAcquire(ctx)
		if !ok {
			return jobs[i:]
		}
		if !s.limitOf(x).tryAcquire() {
			free()
			return jobs[i:]
		}
		if !s.begin(ctx, x, free) {
			return nil
		}
	}
	return nil
}
