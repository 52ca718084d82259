package desk

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
)

// A Refusal is the reason why the desk refuses a change. The desk has changed
// nothing.
type Refusal string

// Error returns the text for the model.
func (r Refusal) Error() string { return "Error: " + string(r) }

// A column is a value that the database stores as JSON; nil is stored as NULL.
type column[T any] struct{ to *T }

// Scan implements [sql.Scanner].
func (c column[T]) Scan(from any) error {
	switch from := from.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(from), c.to)
	case []byte:
		return json.Unmarshal(from, c.to)
	}
	return fmt.Errorf("a %T is not JSON", from)
}

// asJSON returns the stored form of a column.
func asJSON[T ~map[string]string | ~[]string](v T) any {
	if v == nil {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // values of these types never fail
	}
	return string(b)
}

// rows calls row for each row of a query.
func (t *tx) rows(ctx context.Context, query string, args []any, row func(scan func(...any) error) error) (err error) {
	rows, err := t.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, rows.Close()) }()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// only restricts a query to an id; "" means no restriction.
func only(column, id string) (where string, args []any) {
	if id == "" {
		return "", nil
	}
	return " WHERE " + column + " = $1", []any{id}
}

// user returns a user. A transaction that changes data also locks the user and so
// the balances.
func (t *tx) user(ctx context.Context, id string) (*User, error) {
	return found(ctx, t.users, id, errNoUser)
}

// product returns a product.
func (t *tx) product(ctx context.Context, id string) (*Product, error) {
	return found(ctx, t.products, id, "product not found")
}

// order returns an order. A transaction that changes data also locks the order.
func (t *tx) order(ctx context.Context, id string) (*Order, error) {
	return found(ctx, t.orders, id, "order not found")
}

func found[T any](ctx context.Context, load func(context.Context, string) (map[string]*T, error), id string, missing Refusal) (*T, error) {
	if id == "" { // "" would select all orders
		return nil, missing
	}
	all, err := load(ctx, id)
	if err != nil {
		return nil, err
	}
	if all[id] == nil {
		return nil, missing
	}
	return all[id], nil
}

// users returns the user with the id, if any; "" selects all users.
func (t *tx) users(ctx context.Context, id string) (map[string]*User, error) {
	users := map[string]*User{}
	where, args := only("id", id)
	err := t.rows(ctx, `SELECT id, first_name, last_name, email, `+addressColumns+` FROM users`+where+t.lock, args,
		func(scan func(...any) error) error {
			var id string
			u := User{PaymentMethods: map[string]PaymentMethod{}, Orders: []string{}}
			err := scan(append([]any{&id, &u.Name.First, &u.Name.Last, &u.Email}, u.Address.columns()...)...)
			users[id] = &u
			return err
		})
	if err != nil || len(users) == 0 {
		return users, err
	}
	where, args = only("user_id", id)
	err = t.rows(ctx, `SELECT user_id, id, source, brand, last_four, balance_cents FROM payment_methods`+where, args,
		func(scan func(...any) error) error {
			var user string
			var m PaymentMethod
			if err := scan(&user, &m.ID, &m.Source, &m.Brand, &m.LastFour, &m.Balance); err != nil {
				return err
			}
			users[user].PaymentMethods[m.ID] = m
			return nil
		})
	if err != nil {
		return nil, err
	}
	return users, t.rows(ctx, `SELECT user_id, id FROM orders`+where+` ORDER BY user_id, position`, args,
		func(scan func(...any) error) error {
			var user, order string
			if err := scan(&user, &order); err != nil {
				return err
			}
			users[user].Orders = append(users[user].Orders, order)
			return nil
		})
}

const addressColumns = `address1, address2, city, state, country, zip`

func (a *Address) columns() []any {
	return []any{&a.Address1, &a.Address2, &a.City, &a.State, &a.Country, &a.Zip}
}

// products returns the product with the id, if any; "" selects all products.
func (t *tx) products(ctx context.Context, id string) (map[string]*Product, error) {
	products := map[string]*Product{}
	where, args := only("id", id)
	err := t.rows(ctx, `SELECT id, name FROM products`+where, args, func(scan func(...any) error) error {
		p := Product{Variants: map[string]Variant{}}
		err := scan(&p.ProductID, &p.Name)
		products[p.ProductID] = &p
		return err
	})
	if err != nil || len(products) == 0 {
		return products, err
	}
	where, args = only("product_id", id)
	return products, t.rows(ctx, `SELECT product_id, `+variantColumns+` FROM variants`+where, args,
		func(scan func(...any) error) error {
			var product string
			var v Variant
			if err := scan(append([]any{&product}, v.columns()...)...); err != nil {
				return err
			}
			products[product].Variants[v.ItemID] = v
			return nil
		})
}

const variantColumns = `item_id, options, available, price_cents`

func (v *Variant) columns() []any {
	return []any{&v.ItemID, column[Options]{&v.Options}, &v.Available, &v.Price}
}

// variant returns a variant of a product, and whether it exists.
func (t *tx) variant(ctx context.Context, product, item string) (v Variant, ok bool, err error) {
	err = t.QueryRowContext(ctx, `SELECT `+variantColumns+` FROM variants WHERE product_id = $1 AND item_id = $2`, product, item).
		Scan(v.columns()...)
	if errors.Is(err, sql.ErrNoRows) {
		return v, false, nil
	}
	return v, err == nil, err
}

// orders returns the order with the id, if any; "" selects all orders.
func (t *tx) orders(ctx context.Context, id string) (map[string]*Order, error) {
	orders := map[string]*Order{}
	where, args := only("id", id)
	err := t.rows(ctx, `SELECT id, user_id, `+orderColumns+` FROM orders`+where+t.lock, args, func(scan func(...any) error) error {
		o := Order{Items: []Item{}, Fulfillments: []Fulfillment{}, PaymentHistory: []Payment{}}
		err := scan(append([]any{&o.OrderID, &o.UserID}, o.columns()...)...)
		orders[o.OrderID] = &o
		return err
	})
	if err != nil || len(orders) == 0 {
		return orders, err
	}
	where, args = only("order_id", id)
	for _, load := range []func(context.Context, string, []any, map[string]*Order) error{t.items, t.fulfillments, t.payments} {
		if err := load(ctx, where+` ORDER BY order_id, position`, args, orders); err != nil {
			return nil, err
		}
	}
	return orders, nil
}

const orderColumns = `status, ` + addressColumns + `, cancel_reason,
	exchange_items, exchange_new_items, exchange_payment_method_id, exchange_difference_cents,
	return_items, return_payment_method_id`

func (o *Order) columns() []any {
	return append(append([]any{&o.Status}, o.Address.columns()...), &o.CancelReason,
		column[[]string]{&o.ExchangeItems}, column[[]string]{&o.ExchangeNewItems}, &o.ExchangePaymentMethodID, &o.ExchangePriceDifference,
		column[[]string]{&o.ReturnItems}, &o.ReturnPaymentMethodID)
}

func (t *tx) items(ctx context.Context, where string, args []any, orders map[string]*Order) error {
	return t.rows(ctx, `SELECT order_id, item_id, product_id, name, price_cents, options FROM order_items`+where, args,
		func(scan func(...any) error) error {
			var id string
			var i Item
			if err := scan(&id, &i.ItemID, &i.ProductID, &i.Name, &i.Price, column[Options]{&i.Options}); err != nil {
				return err
			}
			orders[id].Items = append(orders[id].Items, i)
			return nil
		})
}

func (t *tx) fulfillments(ctx context.Context, where string, args []any, orders map[string]*Order) error {
	return t.rows(ctx, `SELECT order_id, tracking_ids, item_ids FROM fulfillments`+where, args,
		func(scan func(...any) error) error {
			var id string
			var f Fulfillment
			if err := scan(&id, column[[]string]{&f.TrackingID}, column[[]string]{&f.ItemIDs}); err != nil {
				return err
			}
			orders[id].Fulfillments = append(orders[id].Fulfillments, f)
			return nil
		})
}

func (t *tx) payments(ctx context.Context, where string, args []any, orders map[string]*Order) error {
	return t.rows(ctx, `SELECT order_id, type, amount_cents, payment_method_id FROM payments`+where, args,
		func(scan func(...any) error) error {
			var id string
			var p Payment
			if err := scan(&id, &p.TransactionType, &p.Amount, &p.PaymentMethodID); err != nil {
				return err
			}
			orders[id].PaymentHistory = append(orders[id].PaymentHistory, p)
			return nil
		})
}
