package portal

import (
	_ "embed"
	"net/http"
)

// spec is the contract; TestSpecAndRouterAgree holds it against the router.
//
//go:embed openapi.yaml
var spec []byte

func serveSpec(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	_, _ = w.Write(spec) // a caller that went away needs no answer
	return nil
}
