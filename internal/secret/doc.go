// Package secret cuts credentials out of texts that people and models read.
package secret
