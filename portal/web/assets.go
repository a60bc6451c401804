package web

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/go-chi/chi/v5"
)

// assets are the style sheet, scripts and pictures, each at an address with its
// own digest, so that it is kept for ever and replaced at once.
type assets struct {
	byName map[string]asset
	// address: room/file → hashed name.
	address map[string]string
}

type asset struct {
	media string
	bytes []byte
}

var assetMedia = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png",
}

func newAssets() *assets { return &assets{map[string]asset{}, map[string]string{}} }

func (a *assets) add(room string, files fs.FS) error {
	list, err := fs.ReadDir(files, "assets")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, file := range list {
		media, known := assetMedia[path.Ext(file.Name())]
		if !known {
			return fmt.Errorf("assets/%s: css, js, svg and png are served", file.Name())
		}
		b, err := fs.ReadFile(files, "assets/"+file.Name())
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		ext := path.Ext(file.Name())
		hashed := strings.TrimSuffix(file.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext
		if room != "" {
			hashed = room + "-" + hashed
		}
		a.byName[hashed] = asset{media, b}
		a.address[room+"/"+file.Name()] = "/assets/" + hashed
	}
	return nil
}

// of gives the address of a file of the room, or of the kit.
func (a *assets) of(room, file string) (string, error) {
	for _, key := range []string{room + "/" + file, "/" + file} {
		if address := a.address[key]; address != "" {
			return address, nil
		}
	}
	return "", fmt.Errorf("there is no asset %q", file)
}

func (a *assets) serve(w http.ResponseWriter, r *http.Request, lost http.HandlerFunc) {
	one, known := a.byName[chi.URLParam(r, "name")]
	if !known {
		lost(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", one.media)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	// A picture opened by its address executes nothing.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	_, _ = w.Write(one.bytes) // a reader that went away needs no answer
}
