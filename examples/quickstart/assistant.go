package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A tool is a Go function. The struct and its tags describe the arguments for the
// model. Invalid arguments never reach the function.

type weatherArgs struct {
	City string `json:"city" jsonschema_description:"City, e.g. Beijing"`
}

type weather struct {
	City    string  `json:"city"`
	Celsius float64 `json:"celsius"`
	Sky     string  `json:"sky"`
}

var table = map[string]weather{
	"beijing":  {"Beijing", 22, "clear"},
	"lisbon":   {"Lisbon", 27, "sunny"},
	"nairobi":  {"Nairobi", 19.5, "cloudy"},
	"new york": {"New York", 16, "rainy"},
}

func getWeather(_ context.Context, in weatherArgs) (weather, error) {
	w, ok := table[strings.ToLower(in.City)]
	if !ok { // the model reads this error and can react to it
		known := slices.Sorted(maps.Keys(table))
		return w, fmt.Errorf("there is no weather station in %q, only in %s", in.City, strings.Join(known, ", "))
	}
	return w, nil
}

type convertArgs struct {
	Celsius float64 `json:"celsius" jsonschema:"minimum=-273.15"`
	To      string  `json:"to" jsonschema:"enum=fahrenheit,enum=kelvin"`
}

type temperature struct {
	Degrees float64 `json:"degrees"`
	Unit    string  `json:"unit"`
}

func convert(_ context.Context, in convertArgs) (temperature, error) {
	if in.To == "kelvin" {
		return temperature{in.Celsius + 273.15, in.To}, nil
	}
	return temperature{in.Celsius*9/5 + 32, in.To}, nil
}

func assistant(model llm.Model) *agent.Agent {
	return &agent.Agent{
		Name:         "assistant",
		Instructions: "You answer questions about the weather. Use the tools, also to convert temperatures.",
		Model:        model,
		Tools: []tool.Tool{
			tool.Must(tool.New("get_weather", "Current weather of a city, in degrees Celsius.", getWeather)),
			tool.Must(tool.New("convert_temperature", "Converts a temperature from Celsius to another unit.", convert)),
		},
	}
}
