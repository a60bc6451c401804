//go:build amd64 && !purego

package gf2m

// assemblyBuilt says that this build contains the assembly.
const assemblyBuilt = true
