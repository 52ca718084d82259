// Package desk is the back office of a shop: users, products and orders in a
// database, and an agent's tools for them.
//
//	d, err := desk.Open(ctx, "desk.db") // or "postgres://…"
//	…
//	r := runner.Runner{Journal: d.Journal()}
//	result, err := r.Session("request-1").Run(ctx, d.Agent(model), runner.Say(llm.User("…")))
//
// # What to copy
//
// Each tool that changes something is one transaction (change.go). The transaction
// claims the call's idempotency key first and records the result last. If the
// process dies before the runner records the result, the repeated call finds the
// first result and returns it. The conversations are in the same database, in
// separate tables.
//
// Money is in whole cents ([Cents]), in Go and in the database. Lists have a
// position in the database, because the order of rows is part of the answer.
//
// The model reads the text of a [Refusal]. All remaining errors are about the
// database, and hidden from the model.
package desk
