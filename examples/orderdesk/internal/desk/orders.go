package desk

import (
	"context"
	"slices"
)

// Each change of an order begins with a plan: the checks, in the order of their
// refusals, and the consequences. The approval policy reads the plan without
// carrying it out. A plan that lacks only money on a gift card comes with its
// refusal, because the money may be there when the call runs.

type orderArgs struct {
	OrderID string `json:"order_id" jsonschema_description:"With its leading #, e.g. #W0000000"`
}

type cancelArgs struct {
	orderArgs        // embedded: arguments in the same JSON object
	Reason    string `json:"reason" jsonschema:"enum=no longer needed,enum=ordered by mistake"`
}

func planCancel(ctx context.Context, t *tx, in cancelArgs) (*Order, error) {
	o, err := t.order(ctx, in.OrderID)
	switch {
	case err != nil:
		return nil, err
	case o.Status != pending:
		return nil, Refusal("non-pending order cannot be cancelled")
	case in.Reason != "no longer needed" && in.Reason != "ordered by mistake": // for calls without the schema
		return nil, Refusal("invalid reason")
	}
	return o, nil
}

// cancelOrder refunds the payments.
func cancelOrder(ctx context.Context, t *tx, in cancelArgs) (*Order, error) {
	o, err := planCancel(ctx, t, in)
	if err != nil {
		return nil, err
	}
	for _, p := range o.paid() {
		if err := t.give(ctx, o.UserID, p.PaymentMethodID, p.Amount); err != nil {
			return nil, err
		}
		if err := t.addPayments(ctx, o, Payment{refund, p.Amount, p.PaymentMethodID}); err != nil {
			return nil, err
		}
	}
	o.Status, o.CancelReason = cancelled, in.Reason
	return o, t.updateOrder(ctx, o)
}

// paid returns the payments of an order that were not refunded.
func (o *Order) paid() []Payment {
	var paid []Payment
	for _, p := range o.PaymentHistory {
		if p.TransactionType == payment {
			paid = append(paid, p)
		}
	}
	for _, back := range o.PaymentHistory {
		for i := range paid {
			if back.TransactionType == refund && paid[i].PaymentMethodID == back.PaymentMethodID {
				part := min(back.Amount, paid[i].Amount)
				paid[i].Amount -= part
				back.Amount -= part
			}
		}
	}
	free := o.total() == 0 // then an empty payment counts as the whole price
	return slices.DeleteFunc(paid, func(p Payment) bool { return p.Amount == 0 && !free })
}

// total returns the price of the items of an order.
func (o *Order) total() (sum Cents) {
	for _, i := range o.Items {
		sum += i.Price
	}
	return sum
}

func cancelAmount(ctx context.Context, t *tx, in cancelArgs) (Cents, error) {
	o, err := planCancel(ctx, t, in)
	if err != nil {
		return 0, err
	}
	return o.total(), nil
}

type orderAddressArgs struct {
	orderArgs // embedded: arguments in the same JSON object
	Address   // embedded: arguments in the same JSON object
}

// errModified refuses to change an order that is not pending.
const errModified = Refusal("non-pending order cannot be modified")

func changeOrderAddress(ctx context.Context, t *tx, in orderAddressArgs) (*Order, error) {
	o, err := t.order(ctx, in.OrderID)
	switch {
	case err != nil:
		return nil, err
	case o.Status != pending:
		return nil, errModified
	}
	o.Address = in.Address
	return o, t.updateOrder(ctx, o)
}

type paymentArgs struct {
	orderArgs              // embedded: arguments in the same JSON object
	PaymentMethodID string `json:"payment_method_id" jsonschema_description:"One of the user's, e.g. gift_card_0000000"`
}

func planPayment(ctx context.Context, t *tx, in paymentArgs) (*Order, error) {
	o, err := t.order(ctx, in.OrderID)
	switch {
	case err != nil:
		return nil, err
	case o.Status != pending:
		return nil, errModified
	}
	method, err := t.method(ctx, o, in.PaymentMethodID)
	switch {
	case err != nil:
		return nil, err
	case len(o.PaymentHistory) != 1 || o.PaymentHistory[0].TransactionType != payment:
		return nil, Refusal("there should be exactly one payment for a pending order")
	case o.PaymentHistory[0].PaymentMethodID == in.PaymentMethodID:
		return nil, Refusal("the new payment method should be different from the current one")
	case !method.covers(o.PaymentHistory[0].Amount):
		return o, Refusal("insufficient gift card balance to pay for the order")
	}
	return o, nil
}

// method returns a payment method of the order's user.
func (t *tx) method(ctx context.Context, o *Order, id string) (PaymentMethod, error) {
	u, err := t.user(ctx, o.UserID)
	if err != nil {
		return PaymentMethod{}, err
	}
	m, ok := u.PaymentMethods[id]
	if !ok {
		return m, Refusal("payment method not found")
	}
	return m, nil
}

// covers reports whether a payment method can pay an amount.
func (m PaymentMethod) covers(amount Cents) bool {
	return m.Source != giftCard || m.Balance != nil && *m.Balance >= amount
}

// changePayment pays with the new method and refunds the old payment.
func changePayment(ctx context.Context, t *tx, in paymentArgs) (*Order, error) {
	o, err := planPayment(ctx, t, in)
	if err != nil {
		return nil, err
	}
	old := o.PaymentHistory[0]
	if err := t.give(ctx, o.UserID, in.PaymentMethodID, -old.Amount); err != nil {
		return nil, err
	}
	if err := t.give(ctx, o.UserID, old.PaymentMethodID, old.Amount); err != nil {
		return nil, err
	}
	return o, t.addPayments(ctx, o, Payment{payment, old.Amount, in.PaymentMethodID}, Payment{refund, old.Amount, old.PaymentMethodID})
}

func paymentAmount(ctx context.Context, t *tx, in paymentArgs) (Cents, error) {
	o, err := planPayment(ctx, t, in)
	if o == nil {
		return 0, err
	}
	return o.total(), nil
}
