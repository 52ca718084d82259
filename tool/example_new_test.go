package tool_test

import (
	"context"
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

// A Go function becomes a tool. Parse checks the arguments of the model, and Call
// runs the function. A runner does both for a program.
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
