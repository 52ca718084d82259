package clerk

import (
	"fmt"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
)

// requests are about users of the seed. No request needs a change of another
// request, so every order of work is valid.
var requests = []request{
	{ // a lookup and an answer
		text: "Hi, I am Ada Pine (ada.pine@example.com). What was in my order #D0001002, and which parcel did it come in?",
		turns: []func(*talk) []act{
			always(byEmail("ada.pine@example.com")),
			orders("#D0001002"),
		},
		end: func(t *talk) {
			o := t.orders["#D0001002"]
			t.say("Order %s is %s: %s. It came in parcel %s.", o.OrderID, o.Status, itemsOf(o), parcels(o))
		},
	},
	{ // two changes at once; the larger change is above the limit and needs approval
		text: "Please cancel my order #D0001003, I don't need it any longer. And my address is now 5 Dock Square, Boston, MA 02109. Ben Holt, zip 02108 until now.",
		turns: []func(*talk) []act{
			always(byName("Ben", "Holt", "02108")),
			orders("#D0001003"),
			func(t *talk) []act {
				return []act{cancel("#D0001003", "no longer needed"), moveTo(t, desk.Address{
					Address1: "5 Dock Square", City: "Boston", State: "MA", Country: "USA", Zip: "02109",
				})}
			},
		},
	},
	{ // below the limit
		text: "I ordered the blanket in #D0001006 by mistake, can you stop it? My email address is elif.kaya@example.com.",
		turns: []func(*talk) []act{
			always(byEmail("elif.kaya@example.com")),
			orders("#D0001006"),
			always(cancel("#D0001006", "ordered by mistake")),
		},
	},
	{
		text: "This is Ada Pine from 97201. Could I pay for order #D0001001 with my gift card after all?",
		turns: []func(*talk) []act{
			always(byName("Ada", "Pine", "97201")),
			orders("#D0001001"),
			always(pay("#D0001001", "gift_card_1001")),
		},
	},
	{
		text: "Greta Lund here, greta.lund@example.com. Please send my order #D0001009 to my office: 21 Lake Street, 4th floor, Minneapolis, MN 55415.",
		turns: []func(*talk) []act{
			always(byEmail("greta.lund@example.com")),
			orders("#D0001009"),
			always(sendTo("#D0001009", desk.Address{
				Address1: "21 Lake Street", Address2: "4th floor", City: "Minneapolis", State: "MN", Country: "USA", Zip: "55415",
			})),
		},
	},
	{ // a difference above the limit
		text: "I would rather have the chess set of order #D0001010 in tournament size. You can take the difference from my PayPal account. Hugo Marsh, hugo.marsh@example.com",
		turns: []func(*talk) []act{
			always(byEmail("hugo.marsh@example.com")),
			orders("#D0001010"),
			always(product("7000000008")),
			always(change(swap{"#D0001010", []string{"7100000071"}, []string{"7100000072"}, "paypal_1008"})),
		},
	},
	{ // the first lookup finds no user
		text: "The frying pan from #D0001013 is too big, can I have the one with 24 cm for it? Kiko Tanaka, kiko.tanaka@exampel.com, zip 96801. The gift card is fine for the difference.",
		turns: []func(*talk) []act{
			always(perhaps(byEmail("kiko.tanaka@exampel.com"))),
			always(byName("Kiko", "Tanaka", "96801")),
			orders("#D0001013"),
			always(product("7000000012")),
			always(exchange(swap{"#D0001013", []string{"7100000112"}, []string{"7100000111"}, "gift_card_1011"})),
		},
	},
	{ // above the limit
		text: "The rain jacket in my order #D0001008 does not fit, I want to return it and have the money back on PayPal. Frank Osei, zip code 60601.",
		turns: []func(*talk) []act{
			always(byName("Frank", "Osei", "60601")),
			orders("#D0001008"),
			always(giveBack("#D0001008", "paypal_1006", "7100000101")),
		},
	},
	{ // one of two identical items
		text: "Hello, carla.ruiz@example.com again. Of order #D0001004 I want to return one notebook and the garden shears, on the gift card please.",
		turns: []func(*talk) []act{
			always(byEmail("carla.ruiz@example.com")),
			orders("#D0001004"),
			always(giveBack("#D0001004", "gift_card_1003", "7100000051", "7100000081")),
		},
	},
	{ // refused
		text: "Cancel #D0001005, please, I found the backpack cheaper. Dimitri Vale, 80202",
		turns: []func(*talk) []act{
			always(byName("Dimitri", "Vale", "80202")),
			orders("#D0001005"),
			always(cancel("#D0001005", "no longer needed")),
		},
	},
	{
		text: "If I sent the chess set of #D0001011 back and bought two big blue teapots, how much would be left on my gift card? Ines Duarte (ines.duarte@example.com)",
		turns: []func(*talk) []act{
			always(byEmail("ines.duarte@example.com")),
			func(t *talk) []act { return append(orders("#D0001011")(t), product("7000000001")) },
			func(t *talk) []act {
				card, set, teapot := t.user.PaymentMethods[Copy("gift_card_1009", t.number)], t.orders["#D0001011"].Items[0], t.product.Variants["7100000003"]
				return []act{calculate(fmt.Sprintf("%s + %s - 2 * %s", card.Balance, set.Price, teapot.Price), "%s would be left on your gift card.")}
			},
		},
	},
	{
		text: "I bought three helmets (#D0001012) and would like a discount for the quantity. Jonas Weber, jonas.weber@example.com",
		turns: []func(*talk) []act{
			always(byEmail("jonas.weber@example.com")),
			orders("#D0001012"),
			always(transfer("Jonas Weber asks for a discount on the three helmets of order #D0001012.")),
		},
	},
	{ // two changes, one after the other
		text: "I am Lena Brook, lena.brook@example.com, and I have moved to 9 Hill Street, Memphis, TN 38103. Please change my profile, and send order #D0001014 there, too.",
		turns: []func(*talk) []act{
			always(byEmail("lena.brook@example.com")),
			orders("#D0001014"),
			func(t *talk) []act { return []act{moveTo(t, memphis)} },
			always(sendTo("#D0001014", memphis)),
		},
	},
}

var memphis = desk.Address{Address1: "9 Hill Street", City: "Memphis", State: "TN", Country: "USA", Zip: "38103"}
