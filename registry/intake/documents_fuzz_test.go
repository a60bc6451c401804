package intake

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
)

// Whatever is uploaded, the look at it ends, and says JPEG, PNG or "not taken".
func FuzzScanType(f *testing.F) {
	for _, write := range []func(b *bytes.Buffer, m image.Image) error{
		func(b *bytes.Buffer, m image.Image) error { return jpeg.Encode(b, m, nil) },
		func(b *bytes.Buffer, m image.Image) error { return png.Encode(b, m) },
	} {
		var b bytes.Buffer
		require.NoError(f, write(&b, image.NewGray(image.Rect(0, 0, 3, 3))))
		f.Add(b.Bytes())
		f.Add(b.Bytes()[:b.Len()/2])
	}
	f.Add([]byte("<svg onload='alert(1)'/>"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		kind, err := scanType(b)
		if err != nil {
			require.Equal(t, registry.CodeUnsupportedMedia, registry.CodeOf(err))
			return
		}
		require.Contains(t, []string{"image/jpeg", "image/png"}, kind)
	})
}
