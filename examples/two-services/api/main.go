package main

import (
	"fmt"

	"services/internal/greet"
)

func main() { fmt.Println(greet.From("api")) }
