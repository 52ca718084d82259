package otel

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// MCPMeta returns the trace context of a call for an MCP server: use it as mcp.Server.Meta.
// The span execute_tool of the call gets the attribute mcp.method.name; the conventions
// want no second span.
func MCPMeta(ctx context.Context) map[string]any {
	trace.SpanFromContext(ctx).SetAttributes(attribute.String(mcpMethod, "tools/call"))
	carrier := propagation.MapCarrier{}
	propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}).Inject(ctx, carrier)
	meta := make(map[string]any, len(carrier))
	for key, value := range carrier {
		meta[key] = value
	}
	return meta
}
