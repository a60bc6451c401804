package audit_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	foreign "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"mist/registry/audit"
)

// Cosignatures both ways with the implementation of the transparency-dev
// community: same key texts, same bytes.
func TestForeignCosignatures(t *testing.T) {
	signerKey, logKey, err := audit.GenerateKey(rand.Reader, "log.example/audit")
	require.NoError(t, err)
	signer, err := audit.NewSigner("log.example/audit", signerKey)
	require.NoError(t, err)
	log, err := audit.ReadVerifier(logKey)
	require.NoError(t, err)
	signed, err := signer.Sign(7, audit.EmptyRoot())
	require.NoError(t, err)
	text, err := audit.NoteText(signed)
	require.NoError(t, err)

	private, public, err := audit.GenerateWitnessKey(rand.Reader, "w.example/a")
	require.NoError(t, err)
	ours, err := audit.NewCosigner(private)
	require.NoError(t, err)
	key, err := audit.ReadWitnessKey(public)
	require.NoError(t, err)
	quorum := audit.Quorum{Need: 1, Witnesses: []*audit.WitnessKey{key}}

	// Theirs, verified by us.
	theirs, err := foreign.NewSignerForCosignatureV1(private)
	require.NoError(t, err)
	n, err := note.Open(signed, note.VerifierList(log))
	require.NoError(t, err)
	cosigned, err := note.Sign(n, theirs)
	require.NoError(t, err)
	c, list, err := audit.OpenWitnessed(cosigned, log, quorum)
	require.NoError(t, err)
	require.EqualValues(t, 7, c.Size)
	require.Len(t, list, 1)
	require.WithinDuration(t, time.Now(), list[0].Time, time.Minute)

	// Ours, verified by them.
	at := time.Unix(1_700_000_000, 0).UTC()
	cosigned = append(signed[:len(signed):len(signed)], ours.Cosign(text, at)...)
	verifier, err := foreign.NewVerifierForCosignatureV1(public)
	require.NoError(t, err)
	n, err = note.Open(cosigned, note.VerifierList(verifier))
	require.NoError(t, err)
	stamp, err := foreign.CoSigV1Timestamp(n.Sigs[0])
	require.NoError(t, err)
	require.True(t, at.Equal(stamp))
	_, list, err = audit.OpenWitnessed(cosigned, log, quorum)
	require.NoError(t, err)
	require.Equal(t, []audit.Cosignature{{Witness: "w.example/a", Time: at}}, list)

	// One bit of time or signature changed, or none there.
	var short *audit.QuorumError
	_, _, err = audit.OpenWitnessed(signed, log, quorum)
	require.ErrorAs(t, err, &short)
	bad := append([]byte(nil), cosigned...)
	bad[len(bad)-10] ^= 1
	_, _, err = audit.OpenWitnessed(bad, log, quorum)
	require.Error(t, err)
}
