package clerk

import "slices"

// Outcomes returns the expected outcome of each of [Requests]. The outcome of a
// [Copy] is the copy of the outcome. The slice is the caller's; its contents are
// read-only.
func Outcomes() []Outcome { return slices.Clone(outcomes) }

// outcomes are written by hand from the seed and the rules of the desk.
var outcomes = []Outcome{
	{
		Answer: "Order #D0001002 is delivered: Desk Lamp (LED, black) for 61.20 and Wall Clock (white, black) for 58.25. It came in parcel 580000000002.",
		Calls:  3,
	},
	{
		Answer: "Order #D0001003 is cancelled. 249.00 goes back to your PayPal account. Your profile now says 5 Dock Square, Boston, MA 02109.",
		Calls:  5,
		Asks:   1,
		Changes: []string{
			`orders #D0001003 cancel_reason: none → "no longer needed"`,
			`orders #D0001003 payment_history.1: none → {"amount":249.00,"payment_method_id":"paypal_1002","transaction_type":"refund"}`,
			`orders #D0001003 status: "pending" → "cancelled"`,
			`users ben_holt_1002 address.address1: "90 Quay Street" → "5 Dock Square"`,
			`users ben_holt_1002 address.zip: "02108" → "02109"`,
		},
	},
	{
		Answer: "Order #D0001006 is cancelled. 88.00 goes back to your visa card ending in 0199.",
		Calls:  4,
		Changes: []string{
			`orders #D0001006 cancel_reason: none → "ordered by mistake"`,
			`orders #D0001006 payment_history.1: none → {"amount":88.00,"payment_method_id":"credit_card_1005","transaction_type":"refund"}`,
			`orders #D0001006 status: "pending" → "cancelled"`,
		},
	},
	{
		Answer: "Order #D0001001 is now paid with your gift card, and 40.85 goes back to your visa card ending in 4401.",
		Calls:  4,
		Changes: []string{
			`orders #D0001001 payment_history.1: none → {"amount":40.85,"payment_method_id":"gift_card_1001","transaction_type":"payment"}`,
			`orders #D0001001 payment_history.2: none → {"amount":40.85,"payment_method_id":"credit_card_1001","transaction_type":"refund"}`,
			`users ada_pine_1001 payment_methods.gift_card_1001.balance: 75.00 → 34.15`,
		},
	},
	{
		Answer: "Order #D0001009 goes to 21 Lake Street, 4th floor, Minneapolis, MN 55415.",
		Calls:  4,
		Changes: []string{
			`orders #D0001009 address.address1: "1 Fjord Way" → "21 Lake Street"`,
			`orders #D0001009 address.address2: "" → "4th floor"`,
			`orders #D0001009 address.zip: "55401" → "55415"`,
		},
	},
	{
		Answer: "Order #D0001010 now has Chess Set (tournament, walnut) for 145.01 and Frying Pan (none, 24 cm) for 41.30. The difference of 100.01 is taken from your PayPal account.",
		Calls:  5,
		Asks:   1,
		Changes: []string{
			`orders #D0001010 items.0.item_id: "7100000071" → "7100000072"`,
			`orders #D0001010 items.0.options.size: "small" → "tournament"`,
			`orders #D0001010 items.0.price: 45.00 → 145.01`,
			`orders #D0001010 payment_history.1: none → {"amount":100.01,"payment_method_id":"paypal_1008","transaction_type":"payment"}`,
			`orders #D0001010 status: "pending" → "pending (item modified)"`,
		},
	},
	{
		Answer: "The exchange for order #D0001013 is under way: you will get an email that says how to send back what you have. The difference of 14.55 will go back to your gift card.",
		Calls:  6,
		Changes: []string{
			`orders #D0001013 exchange_items: none → ["7100000112"]`,
			`orders #D0001013 exchange_new_items: none → ["7100000111"]`,
			`orders #D0001013 exchange_payment_method_id: none → "gift_card_1011"`,
			`orders #D0001013 exchange_price_difference: none → -14.55`,
			`orders #D0001013 status: "delivered" → "exchange requested"`,
		},
	},
	{
		Answer: "The return for order #D0001008 is under way: you will get an email that says how to send the items. Once they are here, 139.00 goes back to your PayPal account.",
		Calls:  4,
		Asks:   1,
		Changes: []string{
			`orders #D0001008 return_items: none → ["7100000101"]`,
			`orders #D0001008 return_payment_method_id: none → "paypal_1006"`,
			`orders #D0001008 status: "delivered" → "return requested"`,
		},
	},
	{
		Answer: "The return for order #D0001004 is under way: you will get an email that says how to send the items. Once they are here, 33.50 goes back to your gift card.",
		Calls:  4,
		Changes: []string{
			`orders #D0001004 return_items: none → ["7100000051","7100000081"]`,
			`orders #D0001004 return_payment_method_id: none → "gift_card_1003"`,
			`orders #D0001004 status: "delivered" → "return requested"`,
		},
	},
	{
		Answer: "I am sorry, I cannot cancel order #D0001005: non-pending order cannot be cancelled.",
		Calls:  4,
	},
	{
		Answer: "189.21 would be left on your gift card.",
		Calls:  5,
	},
	{
		Answer: "A colleague takes over from here, and will write to jonas.weber@example.com.",
		Calls:  4,
	},
	{
		Answer: "Your profile now says 9 Hill Street, Memphis, TN 38103. Order #D0001014 goes to 9 Hill Street, Memphis, TN 38103.",
		Calls:  5,
		Changes: []string{
			`orders #D0001014 address.address1: "140 River Bend" → "9 Hill Street"`,
			`orders #D0001014 address.address2: "Unit 3" → ""`,
			`orders #D0001014 address.city: "Nashville" → "Memphis"`,
			`orders #D0001014 address.zip: "37201" → "38103"`,
			`users lena_brook_1012 address.address1: "140 River Bend" → "9 Hill Street"`,
			`users lena_brook_1012 address.address2: "Unit 3" → ""`,
			`users lena_brook_1012 address.city: "Nashville" → "Memphis"`,
			`users lena_brook_1012 address.zip: "37201" → "38103"`,
		},
	},
}
