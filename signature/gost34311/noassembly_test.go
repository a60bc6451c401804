//go:build !amd64 || purego

package gost34311

// assemblyBuilt says that this build contains the assembly.
const assemblyBuilt = false
