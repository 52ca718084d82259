package main

import (
	"context"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// careless returns a scripted model with the typical mistakes of models: a fence or
// sentences around the JSON, a forgotten line, prose instead of JSON. After a refusal the
// model reads the text again, but no model can repair a text with a wrong sum.
func careless() llm.Model {
	return llmtest.NewScript(llmtest.Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		text := req.Messages[0].Text()
		if len(req.Messages) > 1 {
			return llmtest.Text(written(readText(text))).Response()
		}
		return llmtest.Text(spoilt(readText(text), len(text))).Response()
	}).Forever())
}

func written(a Answer) string {
	data, _ := json.Marshal(a) // cannot fail for these types
	return string(data)
}

// spoilt writes a first answer with a mistake. The mistake depends on the text only, so
// each start of the program prints the same.
func spoilt(a Answer, length int) string {
	switch {
	case a.Invoice == nil:
		return "I am sorry, but I cannot find an invoice here."
	case length%4 == 0:
		return "```json\n" + written(a) + "\n```"
	case length%4 == 1:
		return "Here is the invoice:\n" + written(a) + "\nLet me know if you need more."
	case length%4 == 3 && len(a.Invoice.Lines) > 1:
		a.Invoice.Lines = a.Invoice.Lines[1:]
	}
	return written(a)
}

var (
	number = regexp.MustCompile(`^Invoice (?:no\. )?([^\s,]+)`)
	amount = regexp.MustCompile(`^(.*?)\s+(-?[\d,]+)\.(\d\d)$`)
	total  = regexp.MustCompile(`(?i)^(total|amount due)`)
)

// readText reads a text without mistakes.
func readText(text string) Answer {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	in := Invoice{Supplier: lines[0]}
	for _, line := range lines[1:] {
		if m := number.FindStringSubmatch(line); m != nil {
			in.Number = m[1]
		} else if m := amount.FindStringSubmatch(line); m != nil {
			cents, _ := strconv.Atoi(strings.ReplaceAll(m[2], ",", "") + m[3]) // matched
			if total.MatchString(m[1]) {
				in.TotalCents = cents
			} else {
				in.Lines = append(in.Lines, Line{m[1], cents})
			}
		}
	}
	switch {
	case in.Number == "":
		return Answer{Problem: "the text is not an invoice"}
	case in.TotalCents == 0:
		return Answer{Problem: "the invoice has no total"}
	}
	return Answer{Invoice: &in}
}
