package clerk

import (
	"errors"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
)

// byEmail finds the user. A result is one word; an error has more words.
func byEmail(email string) act {
	return act{tool: "find_user_id_by_email", args: args{"email": email}, take: identify}
}

func byName(first, last, zip string) act {
	return act{tool: "find_user_id_by_name_zip", args: args{"first_name": first, "last_name": last, "zip": zip}, take: identify}
}

func identify(t *talk, text string) error {
	if text == "" || strings.Contains(text, " ") {
		return errors.New(text)
	}
	t.id = text
	return nil
}

// orders looks up the user and the orders at once.
func orders(ids ...string) func(*talk) []act {
	return func(t *talk) []act {
		acts := []act{{tool: "get_user_details", args: args{"user_id": t.id}, take: reads(func(t *talk, u desk.User) { t.user = u })}}
		for _, id := range ids {
			acts = append(acts, act{tool: "get_order_details", args: args{"order_id": id}, take: reads(func(t *talk, o desk.Order) { t.orders[id] = o })})
		}
		return acts
	}
}

// product looks up a product and the variant that the user may want.
func product(id string) act {
	return act{tool: "get_product_details", args: args{"product_id": id}, take: reads(func(t *talk, p desk.Product) { t.product = p })}
}

func cancel(order, reason string) act {
	return act{
		tool: "cancel_pending_order", args: args{"order_id": order, "reason": reason},
		wish: "cancel order " + order,
		take: reads(func(t *talk, o desk.Order) {
			t.say("Order %s is cancelled.", o.OrderID)
			for _, p := range o.PaymentHistory {
				if p.TransactionType == "refund" {
					t.say("%s goes back to %s.", p.Amount, t.method(p.PaymentMethodID))
				}
			}
		}),
	}
}

func pay(order, method string) act {
	return act{
		tool: "modify_pending_order_payment", args: args{"order_id": order, "payment_method_id": method},
		wish: "change the payment of order " + order,
		take: reads(func(t *talk, o desk.Order) {
			last := o.PaymentHistory[len(o.PaymentHistory)-2:] // the new payment, and the refund of the old payment
			t.say("Order %s is now paid with %s, and %s goes back to %s.",
				o.OrderID, t.method(last[0].PaymentMethodID), last[1].Amount, t.method(last[1].PaymentMethodID))
		}),
	}
}

func sendTo(order string, a desk.Address) act {
	return act{
		tool: "modify_pending_order_address", args: address("order_id", order, a),
		wish: "change where order " + order + " is sent",
		take: reads(func(t *talk, o desk.Order) { t.say("Order %s goes to %s.", o.OrderID, line(o.Address)) }),
	}
}

// An address is the address of a user or an order.
func address(key, id string, a desk.Address) args {
	return args{
		key: id, "address1": a.Address1, "address2": a.Address2, "city": a.City,
		"state": a.State, "country": a.Country, "zip": a.Zip,
	}
}

// moveTo changes the address of the user.
func moveTo(t *talk, a desk.Address) act {
	return act{
		tool: "modify_user_address", args: address("user_id", t.id, a),
		wish: "change the address in your profile",
		take: reads(func(t *talk, u desk.User) { t.say("Your profile now says %s.", line(u.Address)) }),
	}
}

// A swap changes the items of an order: before the delivery, or as an exchange after
// it.
type swap struct {
	order     string
	items, by []string
	method    string
}

func (s swap) args() args {
	return args{"order_id": s.order, "item_ids": s.items, "new_item_ids": s.by, "payment_method_id": s.method}
}

func change(s swap) act {
	return act{
		tool: "modify_pending_order_items", args: s.args(),
		wish: "change the items of order " + s.order,
		take: reads(func(t *talk, o desk.Order) {
			t.say("Order %s now has %s.", o.OrderID, itemsOf(o))
			switch p := o.PaymentHistory[len(o.PaymentHistory)-1]; p.TransactionType {
			case "payment":
				t.say("The difference of %s is taken from %s.", p.Amount, t.method(p.PaymentMethodID))
			default:
				t.say("The difference of %s goes back to %s.", p.Amount, t.method(p.PaymentMethodID))
			}
		}),
	}
}

func exchange(s swap) act {
	return act{
		tool: "exchange_delivered_order_items", args: s.args(),
		wish: "exchange items of order " + s.order,
		take: reads(func(t *talk, o desk.Order) {
			t.say("The exchange for order %s is under way: you will get an email that says how to send back what you have.", o.OrderID)
			difference := "The difference of %s will be taken from %s."
			if *o.ExchangePriceDifference < 0 {
				difference = "The difference of %s will go back to %s."
			}
			t.say(difference, o.ExchangePriceDifference.Abs(), t.method(o.ExchangePaymentMethodID))
		}),
	}
}

func giveBack(order, method string, items ...string) act {
	return act{
		tool: "return_delivered_order_items", args: args{"order_id": order, "item_ids": items, "payment_method_id": method},
		wish: "take back items of order " + order,
		take: reads(func(t *talk, o desk.Order) {
			var sum desk.Cents
			for _, id := range o.ReturnItems {
				sum += priceOf(o, id)
			}
			t.say("The return for order %s is under way: you will get an email that says how to send the items. "+
				"Once they are here, %s goes back to %s.", o.OrderID, sum, t.method(o.ReturnPaymentMethodID))
		}),
	}
}

func calculate(expression, says string) act {
	return act{tool: "calculate", args: args{"expression": expression}, take: func(t *talk, text string) error {
		if _, err := strconv.ParseFloat(text, 64); err != nil {
			return errors.New(text)
		}
		t.say(says, text)
		return nil
	}}
}

func transfer(summary string) act {
	return act{
		tool: "transfer_to_human_agents", args: args{"summary": summary},
		wish: "hand you over to a colleague",
		take: func(t *talk, text string) error {
			if text != "Transfer successful" {
				return errors.New(text)
			}
			t.say("A colleague takes over from here, and will write to %s.", t.user.Email)
			return nil
		},
	}
}
