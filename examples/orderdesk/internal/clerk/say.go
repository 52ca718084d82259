package clerk

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
)

// method returns the name of a payment method of the user.
func (t *talk) method(id string) string {
	switch m := t.user.PaymentMethods[id]; m.Source {
	case "gift_card":
		return "your gift card"
	case "paypal":
		return "your PayPal account"
	case "credit_card":
		return "your " + m.Brand + " card ending in " + m.LastFour
	}
	return cmp.Or(id, "you")
}

// line returns an address in one line.
func line(a desk.Address) string {
	parts := []string{a.Address1, a.Address2, a.City, a.State + " " + a.Zip}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
}

// itemsOf lists the items of an order.
func itemsOf(o desk.Order) string {
	var items []string
	for _, i := range o.Items {
		var options []string
		for _, name := range slices.Sorted(maps.Keys(i.Options)) {
			options = append(options, i.Options[name])
		}
		items = append(items, i.Name+" ("+strings.Join(options, ", ")+") for "+i.Price.String())
	}
	return strings.Join(items, " and ")
}

// priceOf returns the price of an item of an order.
func priceOf(o desk.Order, item string) desk.Cents {
	i := slices.IndexFunc(o.Items, func(i desk.Item) bool { return i.ItemID == item })
	if i < 0 {
		return 0
	}
	return o.Items[i].Price
}

// parcels lists the parcels of an order.
func parcels(o desk.Order) string {
	var ids []string
	for _, f := range o.Fulfillments {
		ids = append(ids, f.TrackingID...)
	}
	return strings.Join(ids, ", ")
}
