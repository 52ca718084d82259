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

// edge is that of a picture, in pixels: some models take none below 28.
const edge = 32

// picture is a square in one colour.
func picture(c color.RGBA) llm.Image {
	square := image.NewPaletted(image.Rect(0, 0, edge, edge), color.Palette{c})
	var b bytes.Buffer
	if err := png.Encode(&b, square); err != nil {
		panic(err) // it cannot fail on a buffer
	}
	return llm.Image{Data: b.Bytes(), MediaType: "image/png"}
}
