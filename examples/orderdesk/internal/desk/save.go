package desk

import "context"

// updateOrder saves the changes of an order, without its lists.
func (t *tx) updateOrder(ctx context.Context, o *Order) error {
	return t.exec(ctx, `UPDATE orders SET status = $2, address1 = $3, address2 = $4, city = $5, state = $6, country = $7, zip = $8,
		cancel_reason = $9, exchange_items = $10, exchange_new_items = $11, exchange_payment_method_id = $12,
		exchange_difference_cents = $13, return_items = $14, return_payment_method_id = $15 WHERE id = $1`,
		append([]any{o.OrderID}, o.values()...)...)
}

// values returns the values of orderColumns.
func (o *Order) values() []any {
	return append(append([]any{o.Status}, o.Address.values()...), o.CancelReason,
		asJSON(o.ExchangeItems), asJSON(o.ExchangeNewItems), o.ExchangePaymentMethodID, o.ExchangePriceDifference,
		asJSON(o.ReturnItems), o.ReturnPaymentMethodID)
}

func (a Address) values() []any {
	return []any{a.Address1, a.Address2, a.City, a.State, a.Country, a.Zip}
}

// addPayments adds entries to the history of an order.
func (t *tx) addPayments(ctx context.Context, o *Order, entries ...Payment) error {
	for _, p := range entries {
		if err := t.insertPayment(ctx, o.OrderID, len(o.PaymentHistory), p); err != nil {
			return err
		}
		o.PaymentHistory = append(o.PaymentHistory, p)
	}
	return nil
}

func (t *tx) insertPayment(ctx context.Context, order string, position int, p Payment) error {
	return t.insert(ctx, `payments`, `order_id, position, type, amount_cents, payment_method_id`,
		order, position, p.TransactionType, p.Amount, p.PaymentMethodID)
}

// replaceItem replaces an item by a variant of the same product.
func (t *tx) replaceItem(ctx context.Context, o *Order, position int, v Variant) error {
	i := &o.Items[position]
	i.ItemID, i.Price, i.Options = v.ItemID, v.Price, v.Options
	return t.exec(ctx, `UPDATE order_items SET item_id = $3, price_cents = $4, options = $5 WHERE order_id = $1 AND position = $2`,
		o.OrderID, position, v.ItemID, v.Price, asJSON(v.Options))
}

// give adds an amount to the balance of a gift card; a negative amount reduces it.
// No other payment method has a balance in this database, so give ignores all
// except gift cards.
func (t *tx) give(ctx context.Context, user, method string, amount Cents) error {
	return t.exec(ctx, `UPDATE payment_methods SET balance_cents = balance_cents + $3 WHERE user_id = $1 AND id = $2 AND source = $4`,
		user, method, amount, giftCard)
}
