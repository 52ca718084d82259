package toolloop_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A sourceFile is a Go file of the repository that is not a test.
type sourceFile struct {
	dir    string
	syntax *ast.File
}

func sourceFiles(t *testing.T, fset *token.FileSet) []sourceFile {
	t.Helper()
	var files []sourceFile
	err := filepath.WalkDir(".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return err
		}
		syntax, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		files = append(files, sourceFile{dir: filepath.ToSlash(filepath.Dir(name)), syntax: syntax})
		return err
	})
	require.NoError(t, err)
	return files
}

// typeName returns the directory and the name of a type of this repository, and "" for
// a type of other modules.
func (f sourceFile) typeName(typ ast.Expr) string {
	switch typ := typ.(type) {
	case *ast.StarExpr:
		return f.typeName(typ.X)
	case *ast.IndexExpr:
		return f.typeName(typ.X)
	case *ast.Ident:
		return f.dir + "." + typ.Name
	case *ast.SelectorExpr:
		for _, spec := range f.syntax.Imports {
			dir, own := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module+"/")
			if pkg, ok := typ.X.(*ast.Ident); own && ok && path.Base(dir) == pkg.Name {
				return dir + "." + typ.Sel.Name
			}
		}
	}
	return ""
}

// TestEmbedding: where a struct embeds a type of this repository, a comment says why:
// at the field, or in the doc of the type with the word "embed".
func TestEmbedding(t *testing.T) {
	t.Parallel()
	fset := token.NewFileSet()
	files := sourceFiles(t, fset)
	own := map[string]bool{}
	for _, f := range files {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				own[f.dir+"."+spec.Name.Name] = true
			}
			return true
		})
	}
	embedded := 0
	for _, f := range files {
		for _, decl := range f.syntax.Decls {
			doc := ""
			if d, ok := decl.(*ast.GenDecl); ok {
				doc = d.Doc.Text()
			}
			ast.Inspect(decl, func(n ast.Node) bool {
				field, ok := n.(*ast.Field)
				if !ok || len(field.Names) > 0 || !own[f.typeName(field.Type)] || !inStruct(decl, field) {
					return true
				}
				embedded++
				commented := field.Doc != nil || field.Comment != nil || strings.Contains(doc, "embed")
				require.True(t, commented, "%s: no comment says why %s is embedded", fset.Position(field.Pos()), f.typeName(field.Type))
				return true
			})
		}
	}
	require.Greater(t, embedded, 10) // the test finds embedded types
}

// inStruct reports whether a field without a name belongs to a struct, and not to an
// interface, a parameter or a result.
func inStruct(decl ast.Decl, field *ast.Field) (found bool) {
	ast.Inspect(decl, func(n ast.Node) bool {
		if s, ok := n.(*ast.StructType); ok {
			for _, f := range s.Fields.List {
				found = found || f == field
			}
		}
		return true
	})
	return found
}
