// Package otel reports runs to OpenTelemetry: spans, metrics and log events after the
// semantic conventions for generative AI.
//
//	r := runner.Runner{Around: otel.Config{Tracers: tracers, Meters: meters}.Around()}
//	result, err := r.Run(ctx, assistant, llm.User("Weather in Beijing?"))
//
// A run is a span invoke_agent, with a span chat for each request and a span execute_tool
// for each call of a tool's function. The spans are live: the function of a tool and the
// request over HTTP get a context with the span, so the spans of databases and of otelhttp
// are children, and a traceparent can go out. The run of an agent inside a tool is a child
// of the call. All retries of a request are one span chat.
//
// When another process continues a run after a pause or a crash, the rest is a span of its
// own with a link to the first. Calls that ended before are not reported again.
//
// # Conventions
//
// The names are those of the conventions at
// github.com/open-telemetry/semantic-conventions-genai, v0.1.0 (November 2026; status:
// development). [Config].OldNames adds the names of the core conventions up to 1.41, for
// boards and backends that do not know the new names. Names of this library begin with
// "toolloop.": toolloop.run.resumed, toolloop.run.paused, toolloop.call, the reference
// of a call in the events, and toolloop.call.deferred, for a call whose result comes later
// from outside. The times to the first piece of an answer and between pieces are reported for
// streams, so not for runs by Run, which ask for whole answers.
//
// # Content
//
// By default no span, metric or log has a text of a user, a model or a tool: no message,
// no argument, no result, no text of an error. [Config].Content adds them. Idempotency keys
// are never reported. Results are redacted by runner.Runner.Redact; instructions,
// messages and the texts of errors are not.
//
// # Cost
//
// The package imports the API of OpenTelemetry, not the SDK, and no global providers: a
// program gives its own. What does not change between pieces of work is prepared once, and
// attributes are made only for spans that record.
package otel
