package desk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// A Shop stands for the systems behind your tools.
type Shop struct {
	// Latency is the duration of each operation. Set it before the first use.
	Latency time.Duration

	mu      sync.Mutex
	orders  map[string]Order
	refunds map[string]bool // by idempotency key
	mails   []string        // sent
}

// An Order is a paid order of a customer.
type Order struct {
	Number   string `json:"number"`
	Cents    int    `json:"cents"`
	Refunded int    `json:"refunded_cents"`
}

// NewShop returns a shop with these orders.
func NewShop(orders ...Order) *Shop {
	s := &Shop{orders: map[string]Order{}, refunds: map[string]bool{}}
	for _, o := range orders {
		s.orders[o.Number] = o
	}
	return s
}

// Find returns an order.
func (s *Shop) Find(ctx context.Context, number string) (Order, error) {
	if err := s.wait(ctx); err != nil {
		return Order{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.order(number)
}

// Refund refunds an amount once for each key. It returns the changed order.
func (s *Shop) Refund(ctx context.Context, key, number string, cents int) (Order, error) {
	if err := s.wait(ctx); err != nil {
		return Order{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.order(number)
	if err != nil || s.refunds[key] {
		return o, err
	}
	if left := o.Cents - o.Refunded; cents > left {
		return Order{}, fmt.Errorf("order %s has only %d cents left", number, left)
	}
	o.Refunded += cents
	s.orders[number], s.refunds[key] = o, true
	return o, nil
}

// Mail sends a text to the customer of an order.
func (s *Shop) Mail(ctx context.Context, number, text string) error {
	if err := s.wait(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.order(number); err != nil {
		return errors.Join(errors.New("mail-2.internal: no such mailbox"), err)
	}
	s.mails = append(s.mails, number+": "+text)
	return nil
}

// Refunded returns the refunded cents of an order.
func (s *Shop) Refunded(number string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.orders[number].Refunded
}

// order returns an order. The caller holds mu.
func (s *Shop) order(number string) (Order, error) {
	o, ok := s.orders[number]
	if !ok {
		return Order{}, fmt.Errorf("there is no order %s", number)
	}
	return o, nil
}

func (s *Shop) wait(ctx context.Context) error {
	select {
	case <-time.After(s.Latency):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
