package otel_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/seed-916e8f6a/toolloop/runner/otel"
)

// A backend receives OTLP over HTTP.
type backend struct {
	mu      sync.Mutex
	spans   []*trace.Span
	metrics []*metrics.Metric
	logs    []*logs.LogRecord
	raw     bytes.Buffer // all that was received
	schemas map[string]bool
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	data, err := io.ReadAll(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.raw.Write(data)
	var answer proto.Message
	switch {
	case strings.HasSuffix(r.URL.Path, "/traces"):
		answer, err = b.traces(data)
	case strings.HasSuffix(r.URL.Path, "/metrics"):
		answer, err = b.meters(data)
	default:
		answer, err = b.records(data)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out, _ := proto.Marshal(answer)
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(out)
}

func (b *backend) traces(data []byte) (proto.Message, error) {
	var q coltrace.ExportTraceServiceRequest
	err := proto.Unmarshal(data, &q)
	for _, resource := range q.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			b.schemas[scope.GetSchemaUrl()] = true
			b.spans = append(b.spans, scope.GetSpans()...)
		}
	}
	return &coltrace.ExportTraceServiceResponse{}, err
}

func (b *backend) meters(data []byte) (proto.Message, error) {
	var q colmetrics.ExportMetricsServiceRequest
	err := proto.Unmarshal(data, &q)
	for _, resource := range q.GetResourceMetrics() {
		for _, scope := range resource.GetScopeMetrics() {
			b.metrics = append(b.metrics, scope.GetMetrics()...)
		}
	}
	return &colmetrics.ExportMetricsServiceResponse{}, err
}

func (b *backend) records(data []byte) (proto.Message, error) {
	var q collogs.ExportLogsServiceRequest
	err := proto.Unmarshal(data, &q)
	for _, resource := range q.GetResourceLogs() {
		for _, scope := range resource.GetScopeLogs() {
			b.logs = append(b.logs, scope.GetLogRecords()...)
		}
	}
	return &collogs.ExportLogsServiceResponse{}, err
}

// telemetry is a Config with real exporters to a backend. flush sends everything.
func telemetry(t *testing.T) (c otel.Config, b *backend, flush func()) {
	t.Helper()
	b = &backend{schemas: map[string]bool{}}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	ctx := context.Background()
	spans, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(server.URL+"/v1/traces"))
	require.NoError(t, err)
	meters, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(server.URL+"/v1/metrics"))
	require.NoError(t, err)
	records, err := otlploghttp.New(ctx, otlploghttp.WithEndpointURL(server.URL+"/v1/logs"))
	require.NoError(t, err)
	tp := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans))
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(meters)))
	lp := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(records)))
	return otel.Config{Tracers: tp, Meters: mp, Logs: lp}, b, func() {
		require.NoError(t, tp.Shutdown(ctx))
		require.NoError(t, mp.Shutdown(ctx))
		require.NoError(t, lp.Shutdown(ctx))
	}
}

// plain returns a value of OTLP as a Go value.
func plain(v *common.AnyValue) any {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_BoolValue:
		return v.BoolValue
	case *common.AnyValue_IntValue:
		return v.IntValue
	case *common.AnyValue_DoubleValue:
		return v.DoubleValue
	case *common.AnyValue_ArrayValue:
		out := []any{}
		for _, e := range v.ArrayValue.GetValues() {
			out = append(out, plain(e))
		}
		return out
	case *common.AnyValue_KvlistValue:
		return attributes(v.KvlistValue.GetValues())
	}
	return nil
}

func attributes(all []*common.KeyValue) map[string]any {
	out := map[string]any{}
	for _, kv := range all {
		out[kv.GetKey()] = plain(kv.GetValue())
	}
	return out
}
