package xroad

import (
	"errors"

	"mist/registry"
	"mist/wsdl"
)

// SchemaCheck validates body elements against a contract and tells violations
// in the registry's words: paths and rules, no values.
func SchemaCheck(c *wsdl.Contract) func(doc []byte) error {
	return func(doc []byte) error {
		err := c.Validate(doc)
		var invalid *wsdl.InvalidError
		if !errors.As(err, &invalid) {
			return err
		}
		var fields []registry.FieldError
		for _, v := range invalid.Violations {
			fields = append(fields, registry.FieldError{Entry: v.Path, Rule: v.Rule})
		}
		e := registry.Invalid(fields...)
		e.Detail = "the body breaks the schema of the contract; see the fields"
		return e
	}
}
