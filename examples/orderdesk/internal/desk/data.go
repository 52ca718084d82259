package desk

// Data is the data of a desk: all objects under their ids. Its JSON is the format of
// the seed.
type Data struct {
	Users    map[string]*User    `json:"users"`
	Products map[string]*Product `json:"products"`
	Orders   map[string]*Order   `json:"orders"`
}

// A User is a customer.
type User struct {
	Name           Name                     `json:"name"`
	Address        Address                  `json:"address"`
	Email          string                   `json:"email"`
	PaymentMethods map[string]PaymentMethod `json:"payment_methods"`
	Orders         []string                 `json:"orders"`
}

// A Name is the name of a person.
type Name struct {
	First string `json:"first_name"`
	Last  string `json:"last_name"`
}

// An Address is a postal address.
type Address struct {
	Address1 string `json:"address1" jsonschema_description:"First line, e.g. 4 Mill Road"`
	Address2 string `json:"address2" jsonschema_description:"Second line, e.g. Flat 2; may be empty"`
	City     string `json:"city"`
	State    string `json:"state" jsonschema_description:"e.g. CA"`
	Country  string `json:"country" jsonschema_description:"e.g. USA"`
	Zip      string `json:"zip" jsonschema_description:"e.g. 12345"`
}

const giftCard = "gift_card"

// A PaymentMethod is a gift card, a credit card or a PayPal account.
type PaymentMethod struct {
	Source   string `json:"source"`
	ID       string `json:"id"`
	Brand    string `json:"brand,omitempty"`     // of a credit card
	LastFour string `json:"last_four,omitempty"` // of a credit card
	Balance  *Cents `json:"balance,omitempty"`   // of a gift card
}

// A Product has variants.
type Product struct {
	Name      string             `json:"name"`
	ProductID string             `json:"product_id"`
	Variants  map[string]Variant `json:"variants"`
}

// A Variant is an article that a user can buy.
type Variant struct {
	ItemID    string  `json:"item_id"`
	Options   Options `json:"options"`
	Available bool    `json:"available"`
	Price     Cents   `json:"price"`
}

// Options distinguish the variants of a product. Their names differ between
// products.
type Options map[string]string

// The order states that the desk uses. The desk only shows further states, for
// example "processed".
const (
	pending   = "pending"
	modified  = "pending (item modified)" // and so no longer pending
	delivered = "delivered"
	cancelled = "cancelled"
	returning = "return requested"
	swapping  = "exchange requested"
)

// An Order is an order of a user. The members for actions of the desk are absent
// before the action.
type Order struct {
	OrderID        string        `json:"order_id"`
	UserID         string        `json:"user_id"`
	Address        Address       `json:"address"`
	Items          []Item        `json:"items"`
	Fulfillments   []Fulfillment `json:"fulfillments"`
	Status         string        `json:"status"`
	PaymentHistory []Payment     `json:"payment_history"`

	CancelReason string `json:"cancel_reason,omitempty"`

	ExchangeItems           []string `json:"exchange_items,omitzero"`
	ExchangeNewItems        []string `json:"exchange_new_items,omitzero"`
	ExchangePaymentMethodID string   `json:"exchange_payment_method_id,omitempty"`
	ExchangePriceDifference *Cents   `json:"exchange_price_difference,omitempty"` // new minus old

	ReturnItems           []string `json:"return_items,omitzero"`
	ReturnPaymentMethodID string   `json:"return_payment_method_id,omitempty"`
}

// An Item is an item of an order, as it was sold. An order may have several items
// with the same id.
type Item struct {
	Name      string  `json:"name"`
	ProductID string  `json:"product_id"`
	ItemID    string  `json:"item_id"`
	Price     Cents   `json:"price"`
	Options   Options `json:"options"`
}

// A Fulfillment is a parcel.
type Fulfillment struct {
	TrackingID []string `json:"tracking_id"`
	ItemIDs    []string `json:"item_ids"`
}

// The types of a Payment.
const (
	payment = "payment"
	refund  = "refund"
)

// A Payment is an entry in the history of an order: a payment or a refund.
type Payment struct {
	TransactionType string `json:"transaction_type"`
	Amount          Cents  `json:"amount"`
	PaymentMethodID string `json:"payment_method_id"`
}
