// Package forms makes the forms of a schema that a model is shown.
//
// [ToWire] drops what providers refuse. [Showable] does the same for schemas from
// elsewhere: it reads them in the draft that they were written for, repairs them
// where their meaning is plain, and shows them as draft 2020-12.
//
// [StrictForm] rewrites a schema for providers that hold a model to it ("strict":
// true), or says why no such form exists. A form that lost a call would be worse than
// none.
package forms
