// Package chat has only tests. The tests run clients of other people against the handlers of
// runner/serve: the AI SDK (npm "ai" 6 and 7) and AG-UI (npm "@ag-ui/client").
//
// The clients read every stream of all scenarios of the test kit by their own schemas, live
// and again, and talk to a server: messages, approvals, a page that comes back, a stop. The
// clients run in Node (testdata/check.mjs and testdata/talk.mjs); without the packages, the
// tests skip, and name the command to install the packages.
package chat
