package registry_test

import (
	"crypto/sha512"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
)

func TestMessageName(t *testing.T) {
	sum := sha512.Sum512([]byte("message"))
	digest := hex.EncodeToString(sum[:16])
	for id, want := range map[string]string{
		"4894e35d-bf0f-44a6-867a-8e51f1daa7e0": "4894e35d-bf0f-44a6-867a-8e51f1daa7e0",
		"message-one":                          "message-one",
		"":                                     "",
		"запит №5":                             "запит №5",
		"3126509817":                           digest, // РНОКПП
		"m-3126509817-2":                       digest,
		"19850807-01234":                       digest, // УНЗР
		"КМ123456":                             digest, // passport
		"+380501234567":                        digest,
		"two\nlines":                           digest,
		"right\u202eleft":                      digest,
		"\xff":                                 digest,
		strings.Repeat("ї", 129):               digest, // 258 bytes
	} {
		name := registry.MessageName(id, sum[:])
		require.Equal(t, want, name, "%q", id)
		require.Equal(t, name, registry.MessageName(name, sum[:]), "a name is its own name")
	}
	other := sha512.Sum512([]byte("another"))
	require.NotEqual(t, digest, registry.MessageName("3126509817", other[:]), "the name does not come from the id alone")
}
