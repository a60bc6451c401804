//go:build !amd64 || purego

package kupyna

// assemblyBuilt says that this build contains the assembly.
const assemblyBuilt = false
