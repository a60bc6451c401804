//go:build !linux

package main

import "os"

// quiet would keep a terminal from showing what is typed.
func quiet(*os.File) (restore func()) { return func() {} }
