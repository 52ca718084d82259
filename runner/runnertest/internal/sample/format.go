package sample

import (
	"fmt"
	"strings"
	"time"
)

// formats makes texts of the formats of JSON Schema, and of "url", a common
// format outside of JSON Schema.
var formats = map[string]func(*generator) string{
	"date-time": (*generator).dateTime,
	"date":      func(g *generator) string { return g.time().Format(time.DateOnly) },
	"time":      func(g *generator) string { return g.time().Format("15:04:05Z07:00") },
	"duration":  (*generator).duration,
	"email":     func(g *generator) string { return g.label() + "@" + g.hostname() },
	"idn-email": func(g *generator) string { return g.label() + "@" + g.hostname() },
	"hostname":  (*generator).hostname, "idn-hostname": (*generator).hostname,
	"ipv4": func(g *generator) string { return fmt.Sprintf("192.0.2.%d", g.rand.IntN(256)) },
	"ipv6": func(g *generator) string {
		return fmt.Sprintf("2001:db8::%x:%x", 1+g.rand.IntN(0xffff), g.rand.IntN(0x10000))
	},
	"uri": (*generator).uri, "url": (*generator).uri, "iri": (*generator).uri,
	"uri-reference": (*generator).uri, "iri-reference": (*generator).uri,
	"uuid":         (*generator).uuid,
	"regex":        func(g *generator) string { return "^" + g.label() + "$" },
	"json-pointer": func(g *generator) string { return "/" + g.label() + "/0" },
}

// time makes a time between 2000 and 2040, in a random zone.
func (g *generator) time() time.Time {
	zone := time.UTC
	if g.rand.IntN(2) == 0 {
		zone = time.FixedZone("", (g.rand.IntN(25)-12)*1800)
	}
	return time.Unix(946_684_800+g.rand.Int64N(40*365*86_400), 0).In(zone)
}

func (g *generator) dateTime() string {
	t := g.time()
	if g.rand.IntN(4) == 0 {
		t = t.Add(time.Duration(g.rand.IntN(1000)) * time.Millisecond)
	}
	return t.Format(time.RFC3339Nano)
}

func (g *generator) duration() string {
	n := func() int { return 1 + g.rand.IntN(50) }
	switch g.rand.IntN(4) {
	case 0:
		return fmt.Sprintf("P%dD", n())
	case 1:
		return fmt.Sprintf("PT%dS", n())
	case 2:
		return fmt.Sprintf("P%dDT%dH%dM", n(), n(), n())
	}
	return fmt.Sprintf("PT%dH%dM", n(), n())
}

// label makes a label of a host name.
func (g *generator) label() string {
	var b strings.Builder
	for range 3 + g.rand.IntN(8) {
		b.WriteByte(byte('a' + g.rand.IntN(26)))
	}
	return b.String()
}

// hostname makes a host name that nobody can register.
func (g *generator) hostname() string { return g.label() + ".example" }

func (g *generator) uri() string { return "https://" + g.hostname() + "/" + g.label() }

func (g *generator) uuid() string {
	a, b := g.rand.Uint64(), g.rand.Uint64()
	a = a&^0xf000 | 0x4000 // version 4
	b = b&^(3<<62) | 2<<62
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", a>>32, a>>16&0xffff, a&0xffff, b>>48, b&(1<<48-1))
}
