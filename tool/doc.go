// Package tool makes a Go function into something that a language model can
// call: it reflects the schema that the model is shown, holds the arguments to
// it before the function sees them, runs the function, and renders what comes
// back, a result or a failure, for the model to read.
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
// It knows no agent and no loop; an engine calls [Tool.Parse] and [Tool.Call],
// and [WithCall] before.
//
// # What of Go a schema expresses
//
// Names, omitempty and omitzero are those of the json tags; fields without
// either are required. Descriptions and limits come from the tags
// jsonschema_description and jsonschema ("minimum=1,maximum=9",
// "enum=a,enum=b", "pattern=^[a-z]+$"; a comma inside a text is written \\,). A
// struct takes no properties beside its fields. A field that is a pointer and has
// neither omitempty nor omitzero is required, and null where there is no value. A type
// may bring its own schema by a method JSONSchema() *jsonschema.Schema of
// github.com/invopop/jsonschema.
//
// Structs, embedded ones, slices, arrays, maps with keys that are strings or
// integers, pointers, numbers, ",string", time.Time, time.Duration (text such as
// "1h30m"; see below), []byte (base64), json.RawMessage, json.Number, any, types with UnmarshalText, and types that hold themselves
// ($ref) are expressed. Of a type with an UnmarshalJSON and no JSONSchema, such as
// big.Int, the tag of the field has to say the JSON type (`jsonschema:"type=integer"`).
// Without it such types, and url.URL, interfaces with methods, channels, functions,
// complex numbers, two fields of one JSON name, tags that are misspelt or would have no
// effect, and tags that the Go type contradicts (an enum value, default or bound that
// it cannot hold) are errors of [New], which name the Go field. A default is told in the description; it is for
// the function to apply.
//
// The schema that arguments are held to knows more than the one that the model
// is shown: null for every nil pointer, slice and map, the bounds of large integers,
// and what a type's UnmarshalText takes.
//
// A time.Duration is text to the model, and tags may bound it by text, too
// ("minimum=1s,maximum=1h,default=30s"). The arguments that [Tool.Parse] returns have
// its whole nanoseconds, as encoding/json does; a number in its place is that already.
//
// # The strict form
//
// Where it can be done without losing a call, [Tool.Def] also has the form of
// the schema that providers hold a model to with "strict": true: all objects
// closed, all properties required, null in place of an absent one, which
// [Tool.Parse] drops again. Rules that it has no keyword for (minLength,
// uniqueItems, most formats …) are told in the description; arguments are held
// to them here in either case. [Tool.NotStrict] says why a tool has no such form.
//
// # Bounds
//
// Arguments: 1 MiB, nested 64 deep, 100,000 values, numbers of 64 characters
// with exponents to ±400, no duplicate properties. Schemas given to [NewRaw]:
// 256 KiB, nested 64 deep, 20,000 values; they reach no file and no network, and
// arguments that take very long to check against one are refused.
// Failure texts: about 1 KB, and 16 KB of an [Error] that a function returns. The
// text of a result: 256 KiB; what goes beyond is left out, and a line at its end
// says how much.
//
// # Passwords
//
// A model's provider reads what a tool returns. In the text of a result a URL with
// a password loses its user and password: postgres://ann:s3cret@db/x becomes
// postgres://[redacted]@db/x. So does one with a token of GitHub or GitLab in the
// place of its user. A user alone stays (https://ann@dev.azure.com), and so do
// keys that are no secret (enode://…@host), ports, and templates such as
// postgres://$USER:$PASSWORD@db. [Call].KeepPasswords, which is
// KeepPasswords of a runner.Runner, leaves all as it is: for agents that edit
// files, which would write the change back. Other secrets are for the program to
// find: Redact of a runner.Runner.
//
// In the text of an error more is taken for a password, and values of query
// parameters with names such as key and token are cut, too: errors of libraries hold
// what nobody meant to tell. No setting changes that.
//
// # Time
//
// A tool that ignores its context cannot be stopped in Go. An engine leaves it
// behind some time after its deadline and reports it as timed out; what it
// returns later is dropped. A function should watch its context.
//
// Words owned here: tool, call (one run of a tool), failure.
package tool
