package portal

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
)

// spec is the contract; TestSpecAndRouterAgree holds it against the router.
//
//go:embed openapi.yaml
var spec []byte

// serveSpec gives the contract to everybody; caches may keep it for a minute.
func serveSpec() handler {
	sum := sha256.Sum256(spec)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	return func(w http.ResponseWriter, r *http.Request) error {
		h := w.Header()
		h.Set("ETag", tag)
		h.Set("Cache-Control", "public, max-age=60")
		if unchanged(r, tag) {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
		h.Set("Content-Type", "application/yaml; charset=utf-8")
		_, _ = w.Write(spec) // a caller that went away needs no answer
		return nil
	}
}
