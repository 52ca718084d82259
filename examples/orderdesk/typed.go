package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
)

// invocation returns the shell command for a command of the program.
func (o *office) invocation(format string, args ...any) string {
	dir, _ := os.Getwd()
	info, _ := debug.ReadBuildInfo()
	pkg := ""
	if info != nil {
		pkg = info.Path
	}
	words := []string{typed(os.Args[0], dir, pkg)}
	if given("db") {
		words = append(words, "-db "+quoted(o.place()))
	}
	if format != "" {
		words = append(words, fmt.Sprintf(format, args...))
	}
	return strings.Join(words, " ")
}

// typed returns the shell command that started the program: its path, or a form of
// go run that works in the directory.
func typed(program, dir, pkg string) string {
	const here = "examples/orderdesk"
	switch {
	case !strings.Contains(filepath.ToSlash(program), "/go-build"):
		return quoted(program)
	case isFile(filepath.Join(dir, here, "typed.go")):
		return "go run ./" + here
	case filepath.Base(dir) == "orderdesk" && isFile(filepath.Join(dir, "typed.go")):
		return "go run ."
	case strings.Contains(pkg, "/"):
		return "go run " + pkg
	}
	return "orderdesk"
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// quoted quotes a word for a shell.
func quoted(word string) string {
	if word == "" || strings.ContainsAny(word, " '\"\\$&;?*()<>|`") {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}

// userinfo matches the user and password in an invalid URL.
var userinfo = regexp.MustCompile(`://.*@`)

// place returns the database for people, without the password in its URL.
func (o *office) place() string { return withoutPassword(o.where) }

func withoutPassword(where string) string {
	if !strings.Contains(where, "://") {
		return where
	}
	u, err := url.Parse(where)
	if err != nil {
		return userinfo.ReplaceAllString(where, "://xxxxx@")
	}
	if q := u.Query(); q.Has("password") {
		q.Set("password", "xxxxx")
		u.RawQuery = q.Encode()
	}
	return u.Redacted()
}
