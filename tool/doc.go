// Package tool turns a Go function into a tool that a language model can call. The
// package reflects a schema from the type of the arguments, validates the arguments
// before the function runs, runs the function, and renders the result or the failure as
// text for the model.
//
//	type Args struct {
//		City string `json:"city" jsonschema_description:"City, e.g. Beijing"`
//		Unit string `json:"unit,omitempty" jsonschema:"enum=celsius,enum=fahrenheit"`
//	}
//
//	weather := tool.Must(tool.New("get_weather", "Current weather of a city.",
//		func(ctx context.Context, in Args) (Weather, error) { … }))
//
//	args, err := weather.Parse(`{"city":"Beijing"}`) // checked and canonical
//	parts, err := weather.Call(ctx, args)            // for the model
//
// Most programs use [New]. [NewRaw] is for schemas that come from elsewhere. The package
// knows no agent and no loop: an engine calls [WithCall], [Tool.Parse] and [Tool.Call].
//
// # Go types and schemas
//
// Names, omitempty and omitzero come from the json tags. A field with neither omitempty
// nor omitzero is required. Descriptions and limits come from the tags
// jsonschema_description and jsonschema ("minimum=1,maximum=9", "enum=a,enum=b",
// "pattern=^[a-z]+$"; write a comma inside a text as \\,). A struct admits no properties
// besides its fields. A pointer field with neither omitempty nor omitzero is required,
// and null stands for nil. A type may bring its own schema by a method JSONSchema()
// *jsonschema.Schema of github.com/invopop/jsonschema.
//
// These types have a schema: structs, embedded structs, slices, arrays, maps with string
// or integer keys, pointers, strings, booleans, numbers, fields with the json option
// ",string", time.Time, time.Duration (text such as "1h30m"; see below), []byte (base64),
// json.RawMessage, json.Number, any, types with UnmarshalText, and recursive types
// ($ref). For a type with an UnmarshalJSON and no JSONSchema, such as big.Int, the tag of
// the field must state the JSON type (`jsonschema:"type=integer"`).
//
// [New] returns an error that names the Go field for such a type without the tag, and
// for url.URL, interfaces with methods, channels, functions, complex numbers, two fields
// with the same JSON name, tags that are misspelt or have no effect, and tags that
// contradict the Go type (an enum value, a default or a bound outside of the type). The
// model reads a default in the description; the function must apply the default.
//
// The schema that the model sees and the check of the arguments agree, except for rules
// that only the check knows:
//
//   - null is valid for pointers, slices and maps, and becomes nil.
//   - An integer must fit its Go type. For types of more than 16 bits, the model does not
//     see these bounds, except the minimum 0 of unsigned types.
//   - A type's UnmarshalText must accept the text.
//
// A time.Duration is text to the model, and tags may bound the duration by text, too
// ("minimum=1s,maximum=1h,default=30s"). In the arguments that [Tool.Parse] returns, a
// duration is a whole number of nanoseconds, as in encoding/json. Parse also accepts
// such a number.
//
// # The strict form
//
// With "strict": true a provider forces the model to follow the schema. The provider
// needs a strict form: all objects are closed, all properties are required, and null
// stands for an absent property. [Tool.Def] contains the strict form if the form admits
// every call that the schema admits. [Tool.Parse] removes the nulls again. Rules without a keyword in the strict
// form (minLength, uniqueItems, most formats …) move to the description; Parse checks
// the rules in any case. [Tool.NotStrict] says why a tool has no strict form.
//
// # Bounds
//
// Arguments have at most 1 MiB, 64 levels, 100,000 values, and numbers of 64 characters
// with exponents up to ±400. Duplicate properties are refused. Schemas given to [NewRaw]
// have at most 256 KiB, 64 levels and 20,000 values. Schemas never reach files or the
// network, and arguments whose validation would take very long are refused. The text of
// a failure has about 1 KB, or 16 KB for an [Error] that a function returns. The text of
// a result has at most 256 KiB; the rest is dropped, and a last line says how much.
//
// # Passwords
//
// A model's provider reads the results of a tool. In the text of a result, a URL with a
// password loses its user and password: postgres://ann:s3cret@db/x becomes
// postgres://[redacted]@db/x. A URL with a GitHub or GitLab token in place of the user
// is cut, too. A user without a password stays (https://ann@dev.azure.com), and so do
// public keys (enode://…@host), ports, and templates such as
// postgres://$USER:$PASSWORD@db. [Call].KeepPasswords, which KeepPasswords of a
// runner.Runner sets, keeps all of the text: agents that edit files would otherwise
// write the changed text back. The program must find other secrets: see Redact of a
// runner.Runner.
//
// The text of an error loses more: text that only looks like a password, and the values
// of query parameters with names such as key and token. Errors of libraries contain data
// that nobody meant to publish. No setting changes this.
//
// # Time
//
// Go cannot stop a tool that ignores its context. An engine abandons the function some
// time after its deadline and reports a timeout; a later result is dropped. A function
// should watch its context.
//
// Each option and each special error has an example: see NeedsApprovalIf, Idempotent,
// Reconcile, Alone, Retry, Abort and Set.
package tool
