package main

import (
	"bytes"
	"image"
	"image/color"
	"image/png"

	"github.com/seed-916e8f6a/toolloop/llm"
)

var (
	red  = color.RGBA{R: 0xff, A: 0xff}
	blue = color.RGBA{B: 0xff, A: 0xff}
)

// edge is the width and height of the picture, in pixels. Some models require at
// least 28.
const edge = 32

// picture returns a square in one colour.
func picture(c color.RGBA) llm.Image {
	square := image.NewPaletted(image.Rect(0, 0, edge, edge), color.Palette{c})
	var b bytes.Buffer
	if err := png.Encode(&b, square); err != nil {
		panic(err) // a write to a buffer cannot fail
	}
	return llm.Image{Data: b.Bytes(), MediaType: "image/png"}
}
