// Package stores has only tests. The tests run sessions in every store: files, SQLite and
// PostgreSQL. TestKill kills the process of a session (SIGKILL) before and after each of its
// steps and at random moments; the next process continues the session, and no effect may
// happen twice or get lost. TestStop stops processes for longer than their leases.
// BenchmarkCost measures the cost of a journal.
package stores
