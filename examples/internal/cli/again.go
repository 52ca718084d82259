package cli

import (
	"flag"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// Again returns the command that starts the program again with the same flags, to paste
// into a shell.
func Again() string {
	words := []string{program(os.Args[0])}
	flag.Visit(func(f *flag.Flag) { words = append(words, Quote("-"+f.Name+"="+f.Value.String())) })
	return strings.Join(words, " ")
}

// module has the examples.
const module = "github.com/seed-916e8f6a/toolloop/examples"

// program returns the program in a command. "go run" starts a file that is gone later.
func program(file string) string {
	if !strings.Contains(filepath.ToSlash(file), "/go-build") {
		return Quote(file)
	}
	name := Name()
	for _, dir := range []string{name, path.Join("examples", name)} {
		if _, err := os.Stat(filepath.Join(filepath.FromSlash(dir), "main.go")); err == nil {
			return "go run ./" + dir
		}
	}
	if here, err := os.Getwd(); err == nil && filepath.Base(here) == name {
		return "go run ."
	}
	return "go run " + path.Join(module, name)
}

// plain matches words that mean themselves in a shell.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./:=@%+,-]+$`)

// Quote returns a word for a shell.
func Quote(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
