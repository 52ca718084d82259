package tool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/tool"
)

type weatherArgs struct {
	City string `json:"city" jsonschema_description:"City, e.g. Beijing"`
	Unit string `json:"unit,omitempty" jsonschema:"enum=celsius,enum=fahrenheit"`
}

type weather struct {
	Degrees int    `json:"degrees"`
	Sky     string `json:"sky"`
}

func Example() {
	getWeather := tool.Must(tool.New("get_weather", "Current weather of a city.",
		func(_ context.Context, in weatherArgs) (weather, error) {
			if in.City != "Beijing" {
				return weather{}, fmt.Errorf("no weather station in %s", in.City)
			}
			return weather{Degrees: 22, Sky: "clear"}, nil
		}))
	fmt.Println(string(getWeather.Def().Schema))

	for _, written := range []string{
		`{"city": "Beijing", "unit": null}`,
		`{"city": "Atlantis"}`,
		`{"town": "Beijing", "unit": "Celsius"}`,
	} {
		args, _, err := getWeather.Parse(written)
		if err == nil {
			fmt.Println(string(args))
			var result any
			if result, err = getWeather.Call(context.Background(), args); err == nil {
				fmt.Println(result)
			}
		}
		if failed, ok := errors.AsType[*tool.Error](err); ok {
			fmt.Printf("%s: %s\n", failed.Failure, failed.Message)
		}
	}
	// Output:
	// {"type":"object","properties":{"city":{"type":"string","description":"City, e.g. Beijing"},"unit":{"type":"string","enum":["celsius","fahrenheit"]}},"additionalProperties":false,"required":["city"]}
	// {"city":"Beijing"}
	// [{{"degrees":22,"sky":"clear"} []}]
	// {"city":"Atlantis"}
	// failed: no weather station in Atlantis
	// invalid_arguments: Arguments for get_weather do not match its schema (3 problems):
	// - (top level): required property "city" is missing (string: City, e.g. Beijing)
	// - (top level): unknown property "town"; allowed: city, unit
	// - /unit: must be one of "celsius", "fahrenheit"; got the string "Celsius"; did you mean "celsius"?
	// Send the call again with corrected arguments.
}

func ExampleNewRaw() {
	schema := json.RawMessage(`{"properties": {"to": {"type": "string"}}, "required": ["to"]}`)
	send := tool.Must(tool.NewRaw("send", "Sends a message.", schema,
		func(ctx context.Context, args json.RawMessage) (string, error) {
			return fmt.Sprintf("%s got %s", tool.CallFrom(ctx).Key, args), nil
		}))

	ctx := tool.WithCall(context.Background(), tool.Call{Key: "order-42/r1.t1.c0"}, nil)
	args, _, _ := send.Parse(`{ "to": "Ann" }`)
	result, _ := send.Call(ctx, args)
	fmt.Println(result)
	// Output: [{order-42/r1.t1.c0 got {"to":"Ann"} []}]
}

func ExampleRetry() {
	seat := tool.Must(tool.New("book_seat", "Books a seat.",
		func(_ context.Context, in struct{ Seat string }) (string, error) {
			return "", tool.Retry("Seat " + in.Seat + " is taken; 12A and 14C are free.")
		}))
	_, err := seat.Call(context.Background(), json.RawMessage(`{"Seat":"12B"}`))
	failed, _ := errors.AsType[*tool.Error](err)
	fmt.Println(failed.Message)
	// Output:
	// Seat 12B is taken; 12A and 14C are free.
	// Send the call again with corrected arguments.
}
