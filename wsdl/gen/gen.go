// Package gen is where body types are generated from the contracts of package
// wsdl, one folder each. Nothing below it is written by hand.
package gen

//go:generate go run generate.go ../diia.wsdl diia
//go:generate go run generate.go ../composition.wsdl composition
