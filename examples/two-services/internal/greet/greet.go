// Package greet is what both services share.
package greet

// From says who speaks.
func From(name string) string { return name + " is ready" }
