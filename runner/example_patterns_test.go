package runner_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// scripted is an agent whose model says the texts.
func scripted(name string, texts ...string) *agent.Agent {
	steps := make([]llmtest.Step, len(texts))
	for i, text := range texts {
		steps[i] = llmtest.Text(text)
	}
	return &agent.Agent{Name: name, Model: llmtest.NewScript(steps...)}
}

// A pipeline is a loop: the answer of an agent is the question of the next.
func Example_pipeline() {
	agents := []*agent.Agent{
		scripted("researcher", "The tower was built in 1889 and is 330 m high."),
		scripted("writer", "Since 1889 the tower has stood 330 m above Paris."),
		scripted("translator", "Depuis 1889, la tour domine Paris de ses 330 m."),
	}
	text := "Write about the Eiffel tower, in French."
	for _, a := range agents {
		result, err := runner.Run(context.Background(), a, llm.User(text))
		if err != nil {
			fmt.Println(a.Name, err)
			return
		}
		text = result.Text
	}
	fmt.Println(text)
	// Output:
	// Depuis 1889, la tour domine Paris de ses 330 m.
}

// A router is a typed answer and a switch.
func Example_router() {
	type topic struct {
		Topic string `json:"topic" jsonschema:"enum=bill,enum=parcel,enum=other"`
	}
	ctx, question := context.Background(), llm.User("My parcel is late.")
	sorted, _, err := runner.RunFor[topic](ctx, scripted("sorter", `{"topic":"parcel"}`), question)
	if err != nil {
		fmt.Println(err)
		return
	}
	var next *agent.Agent
	switch sorted.Topic {
	case "bill":
		next = scripted("billing", "Your bill is paid.")
	case "parcel":
		next = scripted("shipping", "Your parcel arrives tomorrow.")
	default:
		fmt.Println("Please call us.")
		return
	}
	result, err := runner.Run(ctx, next, question)
	fmt.Println(result.Agent+":", result.Text, err)
	// Output:
	// shipping: Your parcel arrives tomorrow. <nil>
}

// A parallel fan-out is an errgroup. The first error cancels the other runs, and one Budget
// bounds them all.
func Example_fanOut() {
	cities := []string{"Oslo", "Rome", "Lima"}
	answers := make([]string, len(cities))
	r := runner.Runner{Budget: &runner.Budget{Tokens: 10_000}}
	group, ctx := errgroup.WithContext(context.Background())
	group.SetLimit(2)
	for i, city := range cities {
		group.Go(func() error {
			a := scripted("guide", "See the harbour of "+city+".")
			result, err := r.Run(ctx, a, llm.User("What is there to see in "+city+"?"))
			if err != nil {
				return fmt.Errorf("%s: %w", city, err)
			}
			answers[i] = result.Text
			return nil
		})
	}
	err := group.Wait()
	fmt.Println(strings.Join(answers, " "), err)
	// Output:
	// See the harbour of Oslo. See the harbour of Rome. See the harbour of Lima. <nil>
}

// A reviewer loop is a loop: the writer writes until the reviewer has no wish, or three times.
func Example_reviewerLoop() {
	type review struct {
		Wish string `json:"wish" jsonschema_description:"What must change; empty if the text is good."`
	}
	writer := scripted("writer", "Buy our tea.", "Our tea is from Assam.")
	reviewer := scripted("reviewer", `{"wish":"Say where the tea is from."}`, `{"wish":""}`)
	ctx, messages := context.Background(), []llm.Message{llm.User("Write a line about our tea.")}
	for range 3 {
		draft, err := runner.Run(ctx, writer, messages...)
		if err != nil {
			fmt.Println(err)
			return
		}
		review, _, err := runner.RunFor[review](ctx, reviewer, llm.User("Review this line: "+draft.Text))
		if err != nil || review.Wish == "" {
			fmt.Println(draft.Text, err)
			return
		}
		messages = append(draft.Messages, llm.User(review.Wish)) // the conversation of the writer goes on
	}
	fmt.Println(errors.New("the reviewer is never content"))
	// Output:
	// Our tea is from Assam. <nil>
}

// A vote asks several times, and takes the answer of most.
func Example_vote() {
	type verdict struct {
		Spam bool `json:"spam"`
	}
	judges := []*agent.Agent{scripted("a", `{"spam":true}`), scripted("b", `{"spam":false}`), scripted("c", `{"spam":true}`)}
	votes := make([]bool, len(judges))
	group, ctx := errgroup.WithContext(context.Background())
	for i, judge := range judges {
		group.Go(func() error {
			v, _, err := runner.RunFor[verdict](ctx, judge, llm.User("Is this spam? You have won a car."))
			votes[i] = v.Spam
			return err
		})
	}
	if err := group.Wait(); err != nil {
		fmt.Println(err)
		return
	}
	yes := 0
	for _, vote := range votes {
		if vote {
			yes++
		}
	}
	fmt.Printf("spam: %v, by %d of %d\n", yes > len(votes)/2, yes, len(votes))
	// Output:
	// spam: true, by 2 of 3
}
