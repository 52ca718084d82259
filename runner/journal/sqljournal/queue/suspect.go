package queue

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// errDied is the error of a job whose process has died during the last attempt.
var errDied = errors.New("the process of the session has died at every attempt")

// sweep makes the jobs of dead processes wait again, reports their new states, and looks for
// suspect jobs.
func (s *shift) sweep(ctx context.Context) error {
	q := s.Queue
	var died []Job
	err := q.each(ctx, func(rows *sql.Rows) error {
		died = append(died, Job{})
		return died[len(died)-1].scan(rows, nil)
	}, moveDead, MaxAttempts, errDied.Error(), suspectAttempts)
	if err != nil {
		return err
	}
	for _, job := range died {
		if job.State != Dead {
			s.Logger.Warn("queue: the process of a session has died", "session", job.Session, "attempt", job.Attempt, "state", job.State)
			continue
		}
		s.Logger.Error("queue: a job is dead", "session", job.Session, "attempt", job.Attempt, "error", errDied)
		if s.Changed != nil {
			s.Changed(job, errDied)
		}
	}
	var suspect bool
	if err := q.journal.DB.QueryRowContext(ctx, q.sql(anySuspect)).Scan(&suspect); err != nil {
		return err
	}
	s.swept = time.Now()
	s.turn(suspect)
	return nil
}

// turn lets a suspect job, which runs alone, and all other jobs take turns. A long run must not
// keep both waiting, so the wait for a process without runs has a bound. After a vain wait, other
// jobs have the same time, and the next wait may be twice as long.
func (s *shift) turn(suspect bool) {
	now := time.Now()
	switch {
	case !suspect:
		s.alone, s.most = false, patience
	case s.alone && now.Sub(s.since) >= s.most:
		s.turnOver(s.most)
		s.most *= 2
	case !s.alone && !now.Before(s.free):
		s.alone, s.since, s.most = true, now, max(s.most, patience)
	}
}

// turnOver gives the others a turn, at least until the next look for suspect jobs.
func (s *shift) turnOver(d time.Duration) {
	s.alone, s.free = false, time.Now().Add(max(d, sweep))
}
