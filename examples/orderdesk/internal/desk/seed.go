package desk

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

//go:embed seed.json
var seed []byte

// SeedData returns the example shop. The value is the caller's.
func SeedData() (*Data, error) {
	var data Data
	if err := json.Unmarshal(seed, &data); err != nil {
		return nil, fmt.Errorf("desk: seed: %w", err)
	}
	return &data, nil
}

// Seed adds the example shop to a database without users, and reports whether it has
// added the shop.
func (d *Desk) Seed(ctx context.Context) (bool, error) {
	data, err := SeedData()
	if err != nil {
		return false, err
	}
	did := false
	err = d.update(ctx, func(t *tx) error {
		if d.postgres { // for two programs that start at once
			if err := t.exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('desk_seed'))`); err != nil {
				return err
			}
		}
		users, err := one[int](ctx, t, `SELECT COUNT(*) FROM users`)
		if err != nil || users > 0 {
			return err
		}
		did = true
		return t.add(ctx, data)
	})
	if err != nil {
		return false, fmt.Errorf("desk: seed: %w", err)
	}
	return did, nil
}

// Import adds objects to the database. If an object exists already, or does not fit
// the others, Import adds nothing.
func (d *Desk) Import(ctx context.Context, data *Data) error {
	if err := d.update(ctx, func(t *tx) error { return t.add(ctx, data) }); err != nil {
		return fmt.Errorf("desk: import: %w", err)
	}
	return nil
}

// Export returns all data of the database at one moment.
func (d *Desk) Export(ctx context.Context) (*Data, error) {
	var data Data
	err := d.view(ctx, func(t *tx) (err error) {
		if data.Users, err = t.users(ctx, ""); err != nil {
			return err
		}
		if data.Products, err = t.products(ctx, ""); err != nil {
			return err
		}
		data.Orders, err = t.orders(ctx, "")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("desk: export: %w", err)
	}
	return &data, nil
}

// add inserts objects in the order of their ids.
func (t *tx) add(ctx context.Context, data *Data) error {
	for _, id := range slices.Sorted(maps.Keys(data.Users)) {
		if err := t.addUser(ctx, id, data.Users[id]); err != nil {
			return fmt.Errorf("user %q: %w", id, err)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(data.Products)) {
		if err := t.addProduct(ctx, id, data.Products[id]); err != nil {
			return fmt.Errorf("product %q: %w", id, err)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(data.Orders)) {
		if err := t.addOrder(ctx, id, data); err != nil {
			return fmt.Errorf("order %q: %w", id, err)
		}
	}
	return nil
}

// insert adds a row.
func (t *tx) insert(ctx context.Context, table, columns string, values ...any) error {
	var places strings.Builder
	for i := range values {
		fmt.Fprintf(&places, ", $%d", i+1)
	}
	return t.exec(ctx, `INSERT INTO `+table+` (`+columns+`) VALUES (`+places.String()[2:]+`)`, values...)
}

func (t *tx) addUser(ctx context.Context, id string, u *User) error {
	err := t.insert(ctx, `users`, `id, first_name, last_name, email, email_key, `+addressColumns,
		append([]any{id, u.Name.First, u.Name.Last, u.Email, strings.ToLower(u.Email)}, u.Address.values()...)...)
	if err != nil {
		return err
	}
	for key, m := range u.PaymentMethods {
		if key != m.ID {
			return fmt.Errorf("payment method %q stands under %q", m.ID, key)
		}
		if err := t.insert(ctx, `payment_methods`, `user_id, id, source, brand, last_four, balance_cents`,
			id, m.ID, m.Source, m.Brand, m.LastFour, m.Balance); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) addProduct(ctx context.Context, id string, p *Product) error {
	if id != p.ProductID {
		return fmt.Errorf("it is product %q", p.ProductID)
	}
	if err := t.insert(ctx, `products`, `id, name`, id, p.Name); err != nil {
		return err
	}
	for key, v := range p.Variants {
		if key != v.ItemID {
			return fmt.Errorf("variant %q stands under %q", v.ItemID, key)
		}
		if err := t.insert(ctx, `variants`, `product_id, `+variantColumns, id, v.ItemID, asJSON(v.Options), v.Available, v.Price); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) addOrder(ctx context.Context, id string, data *Data) error {
	o := data.Orders[id]
	if id != o.OrderID {
		return fmt.Errorf("it is order %q", o.OrderID)
	}
	u := data.Users[o.UserID]
	if u == nil || !slices.Contains(u.Orders, id) {
		return fmt.Errorf("it is none of user %q", o.UserID)
	}
	err := t.insert(ctx, `orders`, `id, user_id, position, `+orderColumns,
		append([]any{id, o.UserID, slices.Index(u.Orders, id)}, o.values()...)...)
	if err != nil {
		return err
	}
	for i, item := range o.Items {
		if err := t.insert(ctx, `order_items`, `order_id, position, item_id, product_id, name, price_cents, options`,
			id, i, item.ItemID, item.ProductID, item.Name, item.Price, asJSON(item.Options)); err != nil {
			return err
		}
	}
	for i, f := range o.Fulfillments {
		if err := t.insert(ctx, `fulfillments`, `order_id, position, tracking_ids, item_ids`,
			id, i, asJSON(f.TrackingID), asJSON(f.ItemIDs)); err != nil {
			return err
		}
	}
	for i, p := range o.PaymentHistory {
		if err := t.insertPayment(ctx, id, i, p); err != nil {
			return err
		}
	}
	return nil
}
