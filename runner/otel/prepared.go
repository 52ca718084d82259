package otel

import (
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// A work is what many pieces of work have in common. Its spans and metrics are prepared once.
type work struct {
	op, agent string
	provider  string // of a request
	name      string // of the model or the tool
	server    string // of a request: host, and port if there is one
}

// A prepared work has the parts of spans and metrics that do not change.
type prepared struct {
	work                          // embedded: the parts are those of the work
	span  string                  // the name
	start []trace.SpanStartOption // what samplers look at
	attrs []attribute.KeyValue    // of the metrics
	calls *set                    // of the numbers of requests and calls: only the agent; nil except for runs
	tool  atomic.Pointer[described]

	mu   sync.Mutex
	sets map[setKey]*set // guarded by mu
}

// A setKey names the attributes of a measurement that differ between pieces of the same work.
type setKey struct{ model, failure, extra, value string }

// A described tool has the attribute of its description.
type described struct {
	tool tool.Tool
	attr attribute.KeyValue
}

// description returns the description of a tool. Def copies the schemas of the tool, so Def
// is called once.
func (p *prepared) description(t tool.Tool) attribute.KeyValue {
	d := p.tool.Load()
	if d == nil || d.tool != t { // two sets can have tools of one name
		d = &described{t, attribute.String(toolDescription, cut(t.Def().Description))}
		p.tool.Store(d)
	}
	return d.attr
}

// A set has the attributes of a measurement, in the form that needs no memory for each one.
type set struct {
	record []metric.RecordOption
	add    []metric.AddOption
}

// The bounds of the prepared things. A program has few agents, models and tools; whoever makes
// names without end has them prepared again.
const (
	maxPrepared = 1000
	maxSets     = 100
)

// prepare returns the prepared work.
func (r *reporter) prepare(w work) *prepared {
	r.mu.RLock()
	p := r.prepared[w]
	r.mu.RUnlock()
	if p != nil {
		return p
	}
	p = newPrepared(w, r.OldNames)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.prepared == nil || len(r.prepared) >= maxPrepared {
		r.prepared = map[work]*prepared{}
	}
	r.prepared[w] = p
	return p
}

func newPrepared(w work, old bool) *prepared {
	op, agent := attribute.String(opName, w.op), attribute.String(agentName, w.agent)
	p := &prepared{work: w, span: w.op}
	start, kind := []attribute.KeyValue{op, agent}, trace.SpanKindInternal
	name := w.name
	switch w.op {
	case opAgent:
		p.attrs, name = start, w.agent
		p.calls = newSet(agent)
	case opChat:
		kind = trace.SpanKindClient
		p.attrs = append(p.attrs, op, attribute.String(providerName, w.provider))
		if w.name != "" {
			p.attrs = append(p.attrs, attribute.String(requestModel, w.name))
		}
		p.attrs = append(p.attrs, serverOf(w.server)...)
		start = append(start, p.attrs[1:]...)
		if old {
			start = append(start, attribute.String(oldSystem, w.provider))
		}
	case opTool:
		p.attrs = []attribute.KeyValue{attribute.String(toolName, w.name), attribute.String(toolType, "function")}
		start = append(start, p.attrs...)
		p.attrs = append(p.attrs, agent)
	}
	if name != "" {
		p.span += " " + name
	}
	p.start = []trace.SpanStartOption{trace.WithSpanKind(kind), trace.WithAttributes(start...)}
	return p
}

// serverOf returns the attributes of a host with or without a port.
func serverOf(server string) []attribute.KeyValue {
	if server == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		return []attribute.KeyValue{attribute.String(serverAddress, server)}
	}
	attrs := []attribute.KeyValue{attribute.String(serverAddress, host)}
	if n, err := strconv.Atoi(port); err == nil {
		attrs = append(attrs, attribute.Int(serverPort, n))
	}
	return attrs
}

// set returns the attributes of a measurement.
func (p *prepared) set(key setKey) *set {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.sets[key]; s != nil {
		return s
	}
	attrs := slices.Clone(p.attrs)
	for _, more := range []struct{ name, value string }{{responseModel, key.model}, {errorType, key.failure}, {key.extra, key.value}} {
		if more.value != "" {
			attrs = append(attrs, attribute.String(more.name, more.value))
		}
	}
	s := newSet(attrs...)
	if p.sets == nil || len(p.sets) >= maxSets {
		p.sets = map[setKey]*set{}
	}
	p.sets[key] = s
	return s
}

func newSet(attrs ...attribute.KeyValue) *set {
	option := metric.WithAttributeSet(attribute.NewSet(attrs...))
	return &set{record: []metric.RecordOption{option}, add: []metric.AddOption{option}}
}
