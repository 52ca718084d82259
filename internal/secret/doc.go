// Package secret removes credentials from texts that people and models read.
package secret
