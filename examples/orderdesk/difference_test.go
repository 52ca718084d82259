package main_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/pgtest"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A watched table has the objects of a kind: its column key has their ids.
type watched struct{ name, kind, key string }

// tables are the tables of all objects. An order is also in its user's list. Tables
// that refer to other tables come first.
var tables = []watched{
	{"payments", "orders", "order_id"},
	{"fulfillments", "orders", "order_id"},
	{"order_items", "orders", "order_id"},
	{"orders", "orders", "id"},
	{"orders", "users", "user_id"},
	{"payment_methods", "users", "user_id"},
	{"users", "users", "id"},
	{"variants", "products", "product_id"},
	{"products", "products", "id"},
}

// watch makes the database record, in the table touched, the objects whose rows are
// added, changed or removed. Copies of the database do the same. Reading all objects
// after each job would take longer than the jobs.
func watch(t *testing.T, d *desk.Desk) {
	t.Helper()
	db := d.Journal().DB
	execute(t, db, `CREATE TABLE touched (kind TEXT NOT NULL, id TEXT NOT NULL)`)
	if d.Journal().Dialect == sqljournal.Postgres {
		execute(t, db, `CREATE FUNCTION touch() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO touched SELECT TG_ARGV[0], r ->> TG_ARGV[1] FROM (VALUES (to_jsonb(OLD)), (to_jsonb(NEW))) AS rows (r) WHERE r IS NOT NULL;
			RETURN NULL;
		END $$`)
	}
	for _, x := range tables {
		if d.Journal().Dialect == sqljournal.Postgres {
			execute(t, db, fmt.Sprintf(`CREATE TRIGGER touch_%[1]s_%[2]s AFTER INSERT OR UPDATE OR DELETE ON %[1]s
				FOR EACH ROW EXECUTE FUNCTION touch('%[2]s', '%[3]s')`, x.name, x.kind, x.key))
			continue
		}
		for what, rows := range map[string][]string{"INSERT": {"NEW"}, "UPDATE": {"OLD", "NEW"}, "DELETE": {"OLD"}} {
			var notes strings.Builder
			for _, row := range rows {
				fmt.Fprintf(&notes, `INSERT INTO touched VALUES ('%s', %s.%s); `, x.kind, row, x.key)
			}
			execute(t, db, fmt.Sprintf(`CREATE TRIGGER touch_%[1]s_%[2]s_%[3]s AFTER %[3]s ON %[1]s BEGIN %[4]sEND`, x.name, x.kind, what, notes.String()))
		}
	}
}

func execute(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), statement)
	require.NoError(t, err, statement)
}

// touched returns the ids of the recorded objects of each kind.
func touched(t *testing.T, db *sql.DB) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, text := range column(t, db, `SELECT DISTINCT kind || ' ' || id FROM touched ORDER BY 1`) {
		kind, id, _ := strings.Cut(text, " ")
		all[kind] = append(all[kind], id)
	}
	return all
}

// changes are objects by kind and id.
type changes map[string]map[string]any

func (c changes) add(kind, id string, object any) {
	if c[kind] == nil {
		c[kind] = map[string]any{}
	}
	c[kind][id] = object
}

// requireChanges: exactly these objects differ, and have the expected values. A kind
// without objects counts as absent.
func requireChanges(t *testing.T, want map[string]map[string]map[string]any, got changes) {
	t.Helper()
	for kind := range got {
		require.NotEmpty(t, want[kind], kind)
	}
	for kind, objects := range want {
		require.Len(t, got[kind], len(objects), kind)
		for id, object := range objects {
			require.Truef(t, same(object, got[kind][id]), "%s %s:\nwant %v\ngot  %v", kind, id, object, got[kind][id])
		}
	}
}

// changed returns the recorded objects as the desk's tools show them. An object with
// its old value does not differ.
func (s *suite) changed(t *testing.T, d *desk.Desk) changes {
	t.Helper()
	found, tools := changes{}, d.Tools()
	for kind, ids := range touched(t, d.Journal().DB) {
		show := tools[slices.IndexFunc(tools, func(x tool.Tool) bool { return x.Def().Name == "get_"+one(kind)+"_details" })]
		for _, id := range ids {
			if now := shown(t, show, kind, id); !reflect.DeepEqual(s.before[kind][id], now) {
				found.add(kind, id, now)
			}
		}
	}
	return found
}

// one returns a kind in the singular.
func one(kind string) string { return strings.TrimSuffix(kind, "s") }

func shown(t *testing.T, show tool.Tool, kind, id string) (object any) {
	t.Helper()
	args, _, err := show.Parse(fmt.Sprintf(`{"%s_id":%q}`, one(kind), id))
	require.NoError(t, err)
	parts, err := show.Call(t.Context(), args)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal([]byte(llm.Message{Parts: parts}.Text()), &object))
	return object
}

// changedOfAll compares all objects.
func (s *suite) changedOfAll(t *testing.T, d *desk.Desk) changes {
	t.Helper()
	end, err := d.Export(t.Context())
	require.NoError(t, err)
	found := changes{}
	compare(t, found, "users", s.start.Users, end.Users)
	compare(t, found, "products", s.start.Products, end.Products)
	compare(t, found, "orders", s.start.Orders, end.Orders)
	return found
}

func compare[T any](t *testing.T, found changes, kind string, start, end map[string]*T) {
	t.Helper()
	require.Len(t, end, len(start), kind)
	for id, before := range start {
		require.NotNil(t, end[id], id)
		if !reflect.DeepEqual(before, end[id]) {
			found.add(kind, id, asJSON(t, end[id]))
		}
	}
}

// objectsOf returns all objects in the form of their JSON.
func objectsOf(t *testing.T, data *desk.Data) changes {
	t.Helper()
	all := changes{}
	for kind, objects := range asJSON(t, data).(map[string]any) {
		for id, object := range objects.(map[string]any) {
			all.add(kind, id, object)
		}
	}
	return all
}

// TestTouched: watch records changed, removed and added rows of each table.
func TestTouched(t *testing.T) {
	t.Parallel()
	for name, where := range map[string]func(t *testing.T) string{
		"SQLite":     func(t *testing.T) string { return unsynced(filepath.Join(t.TempDir(), "desk.db")) },
		"PostgreSQL": func(t *testing.T) string { return pgtest.Database(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := openDesk(t, where(t))
			_, err := d.Seed(t.Context())
			require.NoError(t, err)
			watch(t, d)
			db := d.Journal().DB
			require.Empty(t, touched(t, db))
			var names []string
			for _, x := range tables {
				names = append(names, x.name)
			}
			names = slices.Compact(names)
			for _, name := range names {
				execute(t, db, fmt.Sprintf(`CREATE TABLE kept_%[1]s AS SELECT * FROM %[1]s`, name))
				requireTouched(t, db, name, fmt.Sprintf(`UPDATE %[1]s SET %[2]s = %[2]s`, name, keyOf(name)))
			}
			for _, name := range names {
				requireTouched(t, db, name, `DELETE FROM `+name)
			}
			for _, name := range slices.Backward(names) {
				requireTouched(t, db, name, fmt.Sprintf(`INSERT INTO %[1]s SELECT * FROM kept_%[1]s`, name))
			}
		})
	}
}

// A keyOf is a column of a table.
func keyOf(table string) string {
	return tables[slices.IndexFunc(tables, func(x watched) bool { return x.name == table })].key
}

// requireTouched executes a statement that changes all rows of a table.
func requireTouched(t *testing.T, db *sql.DB, table, statement string) {
	t.Helper()
	want := map[string][]string{}
	for _, x := range tables {
		if x.name == table {
			want[x.kind] = column(t, db, fmt.Sprintf(`SELECT DISTINCT %s FROM kept_%s ORDER BY 1`, x.key, table))
			require.NotEmpty(t, want[x.kind])
		}
	}
	execute(t, db, `DELETE FROM touched`)
	execute(t, db, statement)
	require.Equal(t, want, touched(t, db), statement)
}

// column returns the texts of a query's only column.
func column(t *testing.T, db *sql.DB, query string) (texts []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	require.NoError(t, err)
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		texts = append(texts, text)
	}
	require.NoError(t, rows.Err())
	return texts
}

// TestTables: the watched tables are all tables of objects.
func TestTables(t *testing.T) {
	t.Parallel()
	d := openDesk(t, unsynced(filepath.Join(t.TempDir(), "desk.db")))
	want := map[string]bool{"calls": true, "desk_version": true}
	for _, x := range tables {
		want[x.name] = true
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(want)),
		column(t, d.Journal().DB, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'toolloop_%'`))
}
