package desk

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
)

var (
	errOthers    = errors.New("and a desk wants a database of its own")
	errDirectory = errors.New("it is a directory")
)

// Exists reports whether [Open] would find a desk instead of creating it. A database
// with other tables is an error.
func Exists(ctx context.Context, where string) (bool, error) {
	c, err := contentsOf(ctx, where)
	if err == nil && !c.desk && len(c.others) > 0 {
		err = fmt.Errorf("desk: it has tables of others, such as %s, %w", c.others[0], errOthers)
	}
	return c.desk, err
}

// contents describes a database.
type contents struct {
	desk   bool
	others []string // names of tables of neither a desk nor a journal
}

// contentsOf reads the contents of a database without a change.
func contentsOf(ctx context.Context, where string) (c contents, err error) {
	driver, query := "pgx", `SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename`
	if !isPostgres(where) {
		driver, query = "sqlite", `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`
		if where, err = readOnly(where); err != nil || where == "" {
			return c, err
		}
	}
	db, err := sql.Open(driver, where)
	if err != nil {
		return c, fmt.Errorf("desk: %w", err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return c, fmt.Errorf("desk: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return c, fmt.Errorf("desk: %w", err)
		}
		c.add(name)
	}
	return c, rows.Err()
}

func (c *contents) add(table string) {
	switch {
	case table == "desk_version":
		c.desk = true
	case !strings.HasPrefix(table, "toolloop_") && !strings.HasPrefix(table, "sqlite_"):
		c.others = append(c.others, table)
	}
}

// readOnly returns the data source for reading an SQLite file, or "" without a file.
func readOnly(where string) (string, error) {
	path := where
	if strings.HasPrefix(where, "file:") {
		u, err := url.Parse(where)
		if err != nil {
			return "", fmt.Errorf("desk: %w", err)
		}
		path = cmp.Or(u.Path, u.Opaque)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("desk: %w", err)
	case info.IsDir():
		return "", fmt.Errorf("desk: %w", errDirectory)
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?mode=ro&_pragma=busy_timeout(10000)", nil
}
