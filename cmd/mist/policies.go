package main

import _ "embed"

// policyTable says which validation policy applies to which kind of act from
// which date on, each row with its legal source.
//
//go:embed policies.json
var policyTable []byte
