// Package rawjson writes JSON objects member by member, in order, for packages that
// must control each byte.
package rawjson
