package find

import (
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// The things of the catalog: what it is called, and what its tools say about it.
var things = []string{
	"issue: a bug or a wish of the project", "pull request: a proposed change of code", "branch: a line of development", "repository: the home of code",
	"commit: a recorded change", "release: a published version", "message: a text in a chat", "channel: a chat room of a team", "user: an account of a person",
	"calendar event: an appointment at a time", "reminder: a note for later", "email: a letter in the mailbox", "folder: a place for files", "file: a piece of data",
	"spreadsheet: a table with formulas", "document: a text with headings", "invoice: a bill for a customer", "payment: money that was received",
	"refund: money that goes back to a customer", "customer: a person or a company that buys", "subscription: a payment each month", "product: a thing in the shop",
	"order: what a customer bought", "shipment: a parcel on its way", "ticket: a question to the support", "contact: a name with a phone number",
	"deployment: a version that runs", "server: a machine in the data centre", "database table: rows and columns", "alert: a warning of the monitoring",
}

// The actions: the verb of the name, and the description.
var actions = [][2]string{
	{"create", "Creates a new %s."}, {"get", "Shows all details of one %s."}, {"list", "Lists all %ss, newest first."}, {"update", "Changes the fields of an existing %s."},
	{"delete", "Removes one %s for good."}, {"search", "Finds %ss that contain some words."}, {"archive", "Puts an old %s away. Nothing is lost."},
	{"export", "Writes %ss into a CSV file for download."}, {"assign", "Makes a person responsible for one %s."}, {"watch", "Sends a notification when the %s changes."},
}

// catalog returns 300 tools with names in three styles.
func catalog() (documents []Document) {
	for i, thing := range things {
		name, what, _ := strings.Cut(thing, ": ")
		for _, a := range actions {
			words := append([]string{a[0]}, strings.Fields(name)...)
			var tool string
			switch i % 3 {
			case 0:
				tool = strings.Join(words, "_")
			case 1:
				tool = strings.Join(words, "-")
			default:
				for j, w := range words {
					if j > 0 {
						w = string(unicode.ToUpper(rune(w[0]))) + w[1:]
					}
					tool += w
				}
			}
			documents = append(documents, Document{tool, fmt.Sprintf(a[1], name) + " A " + name + " is " + what + "."})
		}
	}
	return documents
}

// TestQuality: 20 questions as models ask them, over 300 tools. The right tool is among
// the first five for each question, and the first for nearly all.
func TestQuality(t *testing.T) {
	t.Parallel()
	documents := catalog()
	require.Len(t, documents, 300)
	x := New(documents)
	first := 0
	for query, want := range map[string]string{
		"create a pull request":                        "create pull request",
		"delete branch":                                "delete branch",
		"list all the repositories":                    "list repository",
		"search messages":                              "search message",
		"createCalendarEvent":                          "create calendar event",
		"update_invoice fields":                        "update invoice",
		"export orders to CSV":                         "export order",
		"assign a support ticket to somebody":          "assign ticket",
		"notification when a deployment changes":       "watch deployment",
		"archive old emails":                           "archive email",
		"get the details of a customer":                "get customer",
		"give a customer the money back: new refund":   "create refund",
		"where is the parcel? get shipment":            "get shipment",
		"remove a database table":                      "delete database table",
		"find contacts by words":                       "search contact",
		"which subscriptions are there, list":          "list subscription",
		"make Ann responsible for the server":          "assign server",
		"write the spreadsheet to a file for download": "export spreadsheet",
		"create appointment":                           "create calendar event",
		"show bug":                                     "get issue",
	} {
		var names []string
		for _, i := range x.Search(query, 5) {
			names = append(names, strings.Join(split(documents[i].Name), " "))
		}
		require.Contains(t, names, want, query)
		if names[0] == want {
			first++
		} else {
			t.Log(query, names)
		}
	}
	require.GreaterOrEqual(t, first, 18)
}

// split returns the words of a name in one of the three styles.
func split(name string) []string {
	var b strings.Builder
	for _, r := range strings.NewReplacer("_", " ", "-", " ").Replace(name) {
		if unicode.IsUpper(r) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return strings.Fields(b.String())
}

func BenchmarkNew(b *testing.B) {
	documents := catalog()
	for b.Loop() {
		New(documents)
	}
}

func BenchmarkSearch(b *testing.B) {
	x := New(catalog())
	for b.Loop() {
		x.Search("export orders to CSV", 5)
	}
}
