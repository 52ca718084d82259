package load

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/clerk"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
)

// copies makes copies of the users of the seed, with all their orders.
type copies struct {
	of   []string // by request: its user and orders, as JSON
	data *desk.Data
}

func newCopies(texts []string) (*copies, error) {
	seed, err := desk.SeedData()
	if err != nil {
		return nil, err
	}
	c := &copies{data: &desk.Data{Users: map[string]*desk.User{}, Orders: map[string]*desk.Order{}}}
	for _, text := range texts {
		one, err := about(seed, text)
		if err != nil {
			return nil, err
		}
		part, err := json.Marshal(one)
		if err != nil {
			return nil, err
		}
		c.of = append(c.of, string(part))
	}
	return c, nil
}

// about returns the part of the seed that a request is about.
func about(seed *desk.Data, text string) (*desk.Data, error) {
	for id, u := range seed.Users {
		i := slices.IndexFunc(u.Orders, func(order string) bool { return strings.Contains(text, order) })
		if i < 0 {
			continue
		}
		orders := map[string]*desk.Order{}
		for _, order := range u.Orders {
			orders[order] = seed.Orders[order]
		}
		return &desk.Data{Users: map[string]*desk.User{id: u}, Orders: orders}, nil
	}
	return nil, fmt.Errorf("load: unknown request: %s", text)
}

// add adds the copy of a request's user.
func (c *copies) add(request, number int) error {
	var one desk.Data
	if err := json.Unmarshal([]byte(clerk.Copy(c.of[request], number)), &one); err != nil {
		return fmt.Errorf("load: copy %d: %w", number, err)
	}
	for id, u := range one.Users {
		c.data.Users[id] = u
	}
	for id, o := range one.Orders {
		c.data.Orders[id] = o
	}
	return nil
}

// free returns the first number of which no copies exist, nor of later numbers.
func free(there *desk.Data) int {
	first := 1
	for id := range there.Users {
		number, err := strconv.Atoi(id[strings.LastIndex(id, "_")+1:])
		if err == nil && strings.Count(id, "_") == 3 {
			first = max(first, number+1)
		}
	}
	return first
}
