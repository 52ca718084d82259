package desk

import (
	"context"
	"database/sql"
	"errors"
	"strings"
)

type emailArgs struct {
	Email string `json:"email"`
}

func findByEmail(ctx context.Context, t *tx, in emailArgs) (string, error) {
	id, err := one[string](ctx, t, `SELECT id FROM users WHERE email_key = $1 ORDER BY id LIMIT 1`, strings.ToLower(in.Email))
	if errors.Is(err, sql.ErrNoRows) {
		return "", errNoUser
	}
	return id, err
}

const errNoUser = Refusal("user not found")

type nameArgs struct {
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Zip       string `json:"zip" jsonschema_description:"That of the profile's address, e.g. 12345"`
}

// findByName compares the names in Go, because databases treat the case of non-ASCII
// letters differently.
func findByName(ctx context.Context, t *tx, in nameArgs) (string, error) {
	var ids []string
	err := t.rows(ctx, `SELECT id, first_name, last_name FROM users WHERE zip = $1 ORDER BY id`, []any{in.Zip},
		func(scan func(...any) error) error {
			var id, first, last string
			err := scan(&id, &first, &last)
			if strings.EqualFold(first, in.FirstName) && strings.EqualFold(last, in.LastName) {
				ids = append(ids, id)
			}
			return err
		})
	switch {
	case err != nil:
		return "", err
	case len(ids) == 0:
		return "", errNoUser
	}
	return ids[0], nil
}

type userArgs struct {
	UserID string `json:"user_id" jsonschema_description:"e.g. ada_pine_1001"`
}

func userDetails(ctx context.Context, t *tx, in userArgs) (*User, error) {
	return t.user(ctx, in.UserID)
}

func orderDetails(ctx context.Context, t *tx, in orderArgs) (*Order, error) {
	return t.order(ctx, in.OrderID)
}

type productArgs struct {
	ProductID string `json:"product_id" jsonschema_description:"Of the product, not of one of its items"`
}

func productDetails(ctx context.Context, t *tx, in productArgs) (*Product, error) {
	return t.product(ctx, in.ProductID)
}

type noArgs struct{}

// productTypes returns the ids of the products by name. JSON sorts the names.
func productTypes(ctx context.Context, t *tx, _ noArgs) (map[string]string, error) {
	ids := map[string]string{}
	err := t.rows(ctx, `SELECT name, id FROM products ORDER BY id`, nil, func(scan func(...any) error) error {
		var name, id string
		err := scan(&name, &id)
		ids[name] = id
		return err
	})
	return ids, err
}

type userAddressArgs struct {
	userArgs // embedded: arguments in the same JSON object
	Address  // embedded: arguments in the same JSON object
}

func changeUserAddress(ctx context.Context, t *tx, in userAddressArgs) (*User, error) {
	u, err := t.user(ctx, in.UserID)
	if err != nil {
		return nil, err
	}
	u.Address = in.Address
	return u, t.exec(ctx, `UPDATE users SET address1 = $2, address2 = $3, city = $4, state = $5, country = $6, zip = $7 WHERE id = $1`,
		append([]any{in.UserID}, u.Address.values()...)...)
}
