package desk

import (
	"context"
	"slices"
)

type swapArgs struct {
	orderArgs                // embedded: arguments in the same JSON object
	ItemIDs         []string `json:"item_ids" jsonschema_description:"An item that the order has twice may stand here twice"`
	NewItemIDs      []string `json:"new_item_ids" jsonschema_description:"In the order of item_ids; each an available variant of the same product"`
	PaymentMethodID string   `json:"payment_method_id" jsonschema_description:"Pays or receives the difference; one of the user's, e.g. gift_card_0000000"`
}

// A swap is a plan: new variants in place of items, pair by pair.
type swap struct {
	order      *Order
	variants   []Variant
	difference Cents // new minus old
}

// planSwap is the common plan of modifyItems and exchangeItems. An order in a
// different state gives the refusal other; a gift card with too little money gives
// the refusal poor.
func planSwap(ctx context.Context, t *tx, in swapArgs, state string, other, poor Refusal) (*swap, error) {
	o, err := t.order(ctx, in.OrderID)
	switch {
	case err != nil:
		return nil, err
	case o.Status != state:
		return nil, other
	}
	if id, lacks := o.lacks(in.ItemIDs); lacks {
		return nil, Refusal(id + " not found")
	}
	if len(in.ItemIDs) != len(in.NewItemIDs) {
		return nil, Refusal("the number of items to be exchanged should match")
	}
	s := &swap{order: o}
	for i, id := range in.ItemIDs {
		if err := s.pair(ctx, t, id, in.NewItemIDs[i]); err != nil {
			return nil, err
		}
	}
	method, err := t.method(ctx, o, in.PaymentMethodID)
	switch {
	case err != nil:
		return nil, err
	case !method.covers(s.difference):
		return s, poor
	}
	return s, nil
}

// lacks returns the first of ids that occurs more often than in the order.
func (o *Order) lacks(ids []string) (id string, lacks bool) {
	has, named := map[string]int{}, map[string]int{}
	for _, i := range o.Items {
		has[i.ItemID]++
	}
	for _, id := range ids {
		named[id]++
	}
	for _, id := range ids {
		if named[id] > has[id] {
			return id, true
		}
	}
	return "", false
}

// position returns the index of the first item with that id. The item must exist.
func (o *Order) position(id string) int {
	return slices.IndexFunc(o.Items, func(i Item) bool { return i.ItemID == id })
}

func (s *swap) pair(ctx context.Context, t *tx, id, newID string) error {
	old := s.order.Items[s.order.position(id)]
	v, ok, err := t.variant(ctx, old.ProductID, newID)
	if err != nil {
		return err
	}
	if !ok || !v.Available {
		return Refusal("new item " + newID + " not found or available")
	}
	s.variants = append(s.variants, v)
	s.difference += v.Price - old.Price
	return nil
}

func planModify(ctx context.Context, t *tx, in swapArgs) (*swap, error) {
	return planSwap(ctx, t, in, pending, errModified, "insufficient gift card balance to pay for the new item")
}

// modifyItems swaps the items of a pending order and pays or refunds the difference at once.
// A later pair may replace an item that an earlier pair has added.
func modifyItems(ctx context.Context, t *tx, in swapArgs) (*Order, error) {
	s, err := planModify(ctx, t, in)
	if err != nil {
		return nil, err
	}
	o, entry := s.order, Payment{refund, s.difference.Abs(), in.PaymentMethodID}
	if s.difference > 0 {
		entry.TransactionType = payment
	}
	if err := t.addPayments(ctx, o, entry); err != nil {
		return nil, err
	}
	if err := t.give(ctx, o.UserID, in.PaymentMethodID, -s.difference); err != nil {
		return nil, err
	}
	for i, id := range in.ItemIDs {
		if err := t.replaceItem(ctx, o, o.position(id), s.variants[i]); err != nil {
			return nil, err
		}
	}
	o.Status = modified
	return o, t.updateOrder(ctx, o)
}

func modifyAmount(ctx context.Context, t *tx, in swapArgs) (Cents, error) {
	return difference(planModify(ctx, t, in))
}

func difference(s *swap, err error) (Cents, error) {
	if s == nil {
		return 0, err
	}
	return s.difference.Abs(), nil
}

func planExchange(ctx context.Context, t *tx, in swapArgs) (*swap, error) {
	return planSwap(ctx, t, in, delivered, "non-delivered order cannot be exchanged", "insufficient gift card balance to pay for the price difference")
}

// exchangeItems requests an exchange. No money moves before the items are back.
func exchangeItems(ctx context.Context, t *tx, in swapArgs) (*Order, error) {
	s, err := planExchange(ctx, t, in)
	if err != nil {
		return nil, err
	}
	o := s.order
	o.Status = swapping
	o.ExchangeItems, o.ExchangeNewItems = sorted(in.ItemIDs), sorted(in.NewItemIDs)
	o.ExchangePaymentMethodID, o.ExchangePriceDifference = in.PaymentMethodID, &s.difference
	return o, t.updateOrder(ctx, o)
}

func exchangeAmount(ctx context.Context, t *tx, in swapArgs) (Cents, error) {
	return difference(planExchange(ctx, t, in))
}

// sorted returns ids in order, and an empty list instead of nil.
func sorted(ids []string) []string {
	ids = append([]string{}, ids...)
	slices.Sort(ids)
	return ids
}

type returnArgs struct {
	orderArgs                // embedded: arguments in the same JSON object
	ItemIDs         []string `json:"item_ids" jsonschema_description:"An item that the order has twice may stand here twice"`
	PaymentMethodID string   `json:"payment_method_id" jsonschema_description:"Receives the refund: the one that paid, or a gift card of the user's"`
}

func planReturn(ctx context.Context, t *tx, in returnArgs) (*Order, error) {
	o, err := t.order(ctx, in.OrderID)
	switch {
	case err != nil:
		return nil, err
	case o.Status != delivered:
		return nil, Refusal("non-delivered order cannot be returned")
	}
	method, err := t.method(ctx, o, in.PaymentMethodID)
	if err != nil {
		return nil, err
	}
	if method.Source != giftCard && (len(o.PaymentHistory) == 0 || o.PaymentHistory[0].PaymentMethodID != method.ID) {
		return nil, Refusal("payment method should be either the original payment method or a gift card")
	}
	if _, lacks := o.lacks(in.ItemIDs); lacks {
		return nil, Refusal("some item not found")
	}
	return o, nil
}

// returnItems requests a return. The refund follows when the items are back.
func returnItems(ctx context.Context, t *tx, in returnArgs) (*Order, error) {
	o, err := planReturn(ctx, t, in)
	if err != nil {
		return nil, err
	}
	o.Status = returning
	o.ReturnItems, o.ReturnPaymentMethodID = sorted(in.ItemIDs), in.PaymentMethodID
	return o, t.updateOrder(ctx, o)
}

// returnAmount returns the price of the items. Items with the same id may have
// different prices; the first items count.
func returnAmount(ctx context.Context, t *tx, in returnArgs) (sum Cents, err error) {
	o, err := planReturn(ctx, t, in)
	if err != nil {
		return 0, err
	}
	left := slices.Clone(in.ItemIDs)
	for _, i := range o.Items {
		if at := slices.Index(left, i.ItemID); at >= 0 {
			left = slices.Delete(left, at, at+1)
			sum += i.Price
		}
	}
	return sum, nil
}
