package audit_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/tlog"

	"mist/registry/audit"
)

// A proof of ours is read by the implementation of transparency-dev, and one of
// theirs by ours; every changed part of it proves nothing.
func TestProofForOthers(t *testing.T) {
	const origin = "registry.example/audit"
	private, verifier, err := audit.GenerateKey(rand.Reader, origin)
	require.NoError(t, err)
	signer, err := audit.NewSigner(origin, private)
	require.NoError(t, err)
	key, err := audit.ReadVerifier(verifier)
	require.NoError(t, err)

	var leaves []tlog.Hash
	for i := range 300 {
		leaves = append(leaves, audit.LeafHash([]byte{byte(i), byte(i >> 8)}))
	}
	g, err := audit.Grow(0, audit.EmptyRoot(), nil, leaves)
	require.NoError(t, err)
	tiles := map[string][]byte{}
	for _, tile := range g.Tiles {
		tiles[audit.TilePath(tile.Tile)] = tile.Data
	}
	signed, err := signer.Sign(g.Size, g.Root)
	require.NoError(t, err)
	c, err := audit.OpenCheckpoint(signed, key)
	require.NoError(t, err)
	fetch := func(_ context.Context, path string) ([]byte, error) { return tiles[path], nil }
	path, err := audit.ProveInclusion(t.Context(), fetch, c, 271, leaves[271])
	require.NoError(t, err)

	ours := audit.InclusionProof{Index: 271, Path: path, Note: signed, Extra: []byte("act")}
	text := ours.Format()
	var theirs proof.TLogProof
	require.NoError(t, theirs.Unmarshal(text))
	require.EqualValues(t, 271, theirs.Index)
	require.Equal(t, []byte("act"), theirs.ExtraData)
	require.Len(t, theirs.Hashes, len(path))
	require.Equal(t, text, theirs.Marshal())
	theirs.ExtraData = nil
	back, err := audit.ParseProof(theirs.Marshal())
	require.NoError(t, err)
	require.NoError(t, back.Check(c, leaves[271]))

	var disproven *audit.DisprovenError
	require.ErrorAs(t, back.Check(c, leaves[270]), &disproven)
	other := back
	other.Index = 270
	require.ErrorAs(t, other.Check(c, leaves[271]), &disproven)
	other.Index = 300
	require.ErrorAs(t, other.Check(c, leaves[271]), &disproven)
	other = back
	other.Path = append(tlog.RecordProof(nil), back.Path...)
	other.Path[2][5] ^= 1
	require.ErrorAs(t, other.Check(c, leaves[271]), &disproven)

	for name, change := range map[string]func([]byte) []byte{
		"another version": func(b []byte) []byte { return bytes.Replace(b, []byte("@v1"), []byte("@v2"), 1) },
		"leading zero":    func(b []byte) []byte { return bytes.Replace(b, []byte("index 271"), []byte("index 0271"), 1) },
		"negative":        func(b []byte) []byte { return bytes.Replace(b, []byte("index 271"), []byte("index -1"), 1) },
		"no checkpoint":   func(b []byte) []byte { return b[:bytes.Index(b, []byte("\n\n"))+2] },
		"empty extra":     func(b []byte) []byte { return bytes.Replace(b, []byte("index"), []byte("extra \nindex"), 1) },
		"short hash":      func(b []byte) []byte { return bytes.Replace(b, []byte("=\n"), []byte("\n"), 1) },
		"carriage return": func(b []byte) []byte { return bytes.Replace(b, []byte("\n"), []byte("\r\n"), 1) },
	} {
		_, err := audit.ParseProof(change(back.Format()))
		require.ErrorIs(t, err, audit.ErrProof, name)
	}
}

func FuzzParseProof(f *testing.F) {
	f.Add([]byte("c2sp.org/tlog-proof@v1\nindex 0\n\nlog\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"))
	f.Add([]byte("c2sp.org/tlog-proof@v1\nextra YQ==\nindex 5\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\nx\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := audit.ParseProof(b)
		if err == nil {
			require.Equal(t, b, p.Format())
		}
	})
}
