//go:build interop

package sign_test

import (
	"context"
	"crypto/rand"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature/algo"
	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
)

func openssl(t *testing.T, args ...string) error {
	t.Helper()
	out, err := exec.Command("openssl", args...).CombinedOutput()
	t.Logf("openssl %v: %s", args, out)
	return err
}

// A foreign verifier accepts what we sign and refuses the same with one bit
// changed: chain, attributes, time-stamp.
func TestOpenSSLAcceptsOurSignatures(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(p, b, 0o600))
		return p
	}
	now := time.Now()
	for _, algorithm := range []string{sign.KindP256, sign.KindRSA2048} {
		issue := func(p pki.Profile, s pki.Subject, by *pki.Issuer) pki.Issuer {
			key, err := sign.GenerateKey(algorithm, rand.Reader)
			require.NoError(t, err)
			c, err := pki.Issue(pki.Template{Profile: p, Subject: s, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}, key, by, rand.Reader)
			require.NoError(t, err)
			return pki.Issuer{Certificate: c, Key: key}
		}
		root := issue(pki.Root, pki.Subject{CommonName: "root"}, nil)
		doctor := issue(pki.Person, pki.Subject{CommonName: "Зразкова", RNOKPP: "3126509817"}, &root)
		unit := issue(pki.TSA, pki.Subject{CommonName: "tsa"}, &root)
		ca := file("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate.Raw}))
		content := []byte("вміст")

		for _, detached := range []bool{false, true} {
			der, err := sign.CAdES(t.Context(), sign.Signer{Key: doctor.Key, Certificate: doctor.Certificate.Raw}, facts.Bytes(content), sign.Options{Detached: detached, Time: now})
			require.NoError(t, err)
			p := file("a.p7s", der)
			// -purpose any: OpenSSL 3.0 knows the qualified statements only as an unhandled critical extension.
			args := []string{"cms", "-verify", "-cades", "-inform", "DER", "-CAfile", ca, "-purpose", "any", "-binary", "-ignore_critical", "-out", filepath.Join(dir, "out"), "-in", p}
			if detached {
				args = append(args, "-content", file("content", content))
			}
			require.NoError(t, openssl(t, args...), algorithm)
			// The same lifted to T, with material and an archive time-stamp.
			tsa := func(_ context.Context, request []byte) ([]byte, error) {
				q, err := pki.ParseStampRequest(request)
				if err != nil {
					return nil, err
				}
				token, err := pki.Stamp(q, unit, now, rand.Reader)
				return pki.StampResponse(token), err
			}
			list, err := pki.IssueCRL(pki.CRL{Number: 1, ThisUpdate: now, NextUpdate: now.Add(time.Hour)}, root, rand.Reader)
			require.NoError(t, err)
			lifted, err := sign.Extend(t.Context(), der, tsa, algo.SHA256, rand.Reader)
			require.NoError(t, err)
			lifted, err = sign.AddMaterial(lifted, [][]byte{root.Certificate.Raw, unit.Certificate.Raw}, [][]byte{list}, nil)
			require.NoError(t, err)
			var given facts.Source
			if detached {
				given = facts.Bytes(content)
			}
			lifted, err = sign.Archive(t.Context(), lifted, given, tsa, algo.SHA256, rand.Reader)
			require.NoError(t, err)
			file("a.p7s", lifted)
			require.NoError(t, openssl(t, args...), algorithm+" lifted")

			der[len(der)-5] ^= 1
			file("a.p7s", der)
			require.Error(t, openssl(t, args...), algorithm)
		}

		request := filepath.Join(dir, "q.tsq")
		require.NoError(t, openssl(t, "ts", "-query", "-data", file("content", content), "-sha256", "-cert", "-out", request))
		b, err := os.ReadFile(request)
		require.NoError(t, err)
		r, err := pki.ParseStampRequest(b)
		require.NoError(t, err)
		token, err := pki.Stamp(r, unit, now, rand.Reader)
		require.NoError(t, err)
		answer := file("a.tsr", pki.StampResponse(token))
		require.NoError(t, openssl(t, "ts", "-verify", "-queryfile", request, "-in", answer, "-CAfile", ca), algorithm)
		token[len(token)-5] ^= 1
		answer = file("a.tsr", pki.StampResponse(token))
		require.Error(t, openssl(t, "ts", "-verify", "-queryfile", request, "-in", answer, "-CAfile", ca), algorithm)
	}
}
