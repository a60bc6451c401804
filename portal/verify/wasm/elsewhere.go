//go:build !(js && wasm)

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "this program runs in a browser's worker: GOOS=js GOARCH=wasm (make build)")
	os.Exit(2)
}
