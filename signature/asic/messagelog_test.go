package asic_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha512"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/asic"
	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/signature/xmldsig"
)

// unit is a time-stamping unit that nobody here trusts: its tokens are intact all the same.
func unit(t testing.TB, now time.Time) sign.TSA {
	t.Helper()
	issue := func(p pki.Profile, by *pki.Issuer) pki.Issuer {
		key, err := sign.GenerateKey(sign.KindP256, rand.Reader)
		require.NoError(t, err)
		c, err := pki.Issue(pki.Template{Profile: p, Subject: pki.Subject{CommonName: "Позначки"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}, key, by, rand.Reader)
		require.NoError(t, err)
		return pki.Issuer{Certificate: c, Key: key}
	}
	root := issue(pki.Root, nil)
	tsa := issue(pki.TSA, &root)
	return func(_ context.Context, request []byte) ([]byte, error) {
		q, err := pki.ParseStampRequest(request)
		if err != nil {
			return nil, err
		}
		token, err := pki.Stamp(q, tsa, now, rand.Reader)
		return pki.StampResponse(token), err
	}
}

// logged is a container of the message log of X-Road.
func logged(t testing.TB, w *workshop, o sign.MessageLogOptions, attachments ...sign.DataObject) archive {
	t.Helper()
	o.XAdESOptions = sign.XAdESOptions{Options: sign.Options{Time: w.now}}
	var out bytes.Buffer
	require.NoError(t, sign.MessageLog(t.Context(), &out, w.signer, o, []byte("<m>запит</m>"), attachments...))
	return explode(t, out.Bytes())
}

// Cases 91 to 103 of the study of X-Road, with containers of our own: a message signed by itself and in a batch, with
// attachments that are logged and that are not, with a batch time-stamp; each broken in the ways that the verifier of
// X-Road is tested with, and in some more.
func TestMessageLogOfXRoad(t *testing.T) {
	attachment := sign.DataObject{Name: "attachment1", Content: facts.Bytes([]byte("додаток"))}
	sibling, forged := sha512.Sum512([]byte("another message")), sha512.Sum512([]byte("forged"))
	value := `<hc:HashValue><DigestValue>` + xmldsig.Base64(forged[:]) + `</DigestValue></hc:HashValue>`
	edit := func(name string, f func(string) string) func(*testing.T, *archive) {
		return func(t *testing.T, a *archive) {
			old := string(a.find(name).body)
			a.find(name).body = []byte(f(old))
			require.NotEqual(t, old, string(a.find(name).body))
		}
	}
	rename := func(name, to string) func(*testing.T, *archive) {
		return func(_ *testing.T, a *archive) { a.find(name).name = to }
	}
	replace := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	const chain, result, step = "sig-hashchain.xml", asic.SigHashChainResult, "</hc:HashStep>"
	for _, kind := range []string{sign.KindDSTU257, sign.KindP256, sign.KindRSA2048} {
		w := newWorkshop(t, kind)
		batch := sign.MessageLogOptions{Batch: [][]byte{sibling[:]}}
		single := func() archive { return logged(t, w, sign.MessageLogOptions{}) }
		chained := func() archive { return logged(t, w, batch) }
		for name, container := range map[string]func() archive{
			"91 message signed":         single,
			"92 batch time-stamp":       func() archive { return logged(t, w, sign.MessageLogOptions{Stamp: unit(t, w.now)}) },
			"93 attachments":            func() archive { return logged(t, w, sign.MessageLogOptions{}, attachment) },
			"94 hash chain signed":      chained,
			"95 chain over attachments": func() archive { return logged(t, w, batch, attachment) },
			"96 attachment is not kept": func() archive {
				return logged(t, w, sign.MessageLogOptions{Unlogged: map[string][]byte{"attachment1": {1}}})
			},
		} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				a := container()
				r := w.verify(t, a.bytes())
				require.Equal(t, signature.TotalPassed, r.Indication, "%s %s %v", r.Signatures[0].SubIndication, r.Signatures[0].Reason, r.Facts.Signatures[0].Problems)
				require.Empty(t, r.UnsignedParts)
				signed, err := r.Signatures[0].Signed()
				require.NoError(t, err)
				found := false
				for i, sc := range r.Facts.Signatures[0].Scopes {
					require.NotEqual(t, result, sc.Name)
					if sc.Name == "message.xml" {
						b, err := signed[i].Bytes()
						require.NoError(t, err)
						require.Equal(t, "<m>запит</m>", string(b))
						found = true
					}
				}
				require.True(t, found)
				if strings.HasPrefix(name, "92") {
					require.Len(t, r.Facts.Timestamps, 1)
					require.True(t, r.Facts.Timestamps[0].Imprint.Intact)
					edit("ts-hashchain.xml", replace("STEP0", "STEP1"))(t, &a)
					r = w.verify(t, a.bytes())
					require.False(t, r.Facts.Timestamps[0].Imprint.Intact, "103: its chain leads nowhere")
				}
			})
		}
		for name, c := range map[string]struct {
			honest     func() archive
			mutate     func(*testing.T, *archive)
			indication signature.Indication
			sub        signature.SubIndication
		}{
			"97 digest differs":             {single, edit("message.xml", replace("запит", "запис")), total, signature.HashFailure},
			"98 no reference to a message":  {single, rename("message.xml", "messageX.xml"), signature.Indeterminate, signature.SignedDataNotFound},
			"99 message of a chain changed": {chained, edit("message.xml", replace("запит", "запис")), total, signature.HashFailure},
			"100 chain changed":             {chained, edit(chain, replace(step, value+step)), total, signature.HashFailure},
			"101 chain result changed":      {chained, edit(result, replace("\n", "\n ")), total, signature.HashFailure},
			"102 chain of another message":  {chained, rename("message.xml", "messageX.xml"), signature.Indeterminate, signature.SignedDataNotFound},
			"chain is missing":              {chained, rename(chain, "sig-hashchainX.xml"), total, signature.FormatFailure},
			"chain is no xml":               {chained, edit(chain, func(string) string { return "<a" }), total, signature.FormatFailure},
			"step refers to itself":         {chained, edit(chain, replace(step, `<hc:StepRef URI="#STEP0"/>`+step)), total, signature.FormatFailure},
			"step is not there":             {chained, edit(chain, replace(step, `<hc:StepRef URI="#S"/>`+step)), total, signature.FormatFailure},
			"file named twice":              {chained, edit(chain, replace(step, `<hc:DataRef URI="message.xml"><DigestValue>AA==</DigestValue></hc:DataRef>`+step)), total, signature.FormatFailure},
			"two steps with one name":       {chained, edit(chain, replace("</hc:HashChain>", `<hc:HashStep id="STEP0">`+value+step+"</hc:HashChain>")), total, signature.FormatFailure},
			"transform in a chain":          {chained, edit(chain, replace("<DigestValue>", "<Transforms/><DigestValue>")), total, signature.HashFailure},
			"a hundred steps deep":          {chained, edit(chain, func(s string) string { return deepChain(s, 100) }), total, signature.HashFailure},
			"steps that double, sixty deep": {chained, edit(chain, func(s string) string { return deepChain(s, 60) }), total, signature.HashFailure},
			"twenty thousand values":        {chained, edit(chain, replace(step, strings.Repeat(value, 20_000)+step)), total, signature.FormatFailure},
		} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				a := c.honest()
				require.Equal(t, signature.TotalPassed, w.verify(t, a.bytes()).Indication)
				c.mutate(t, &a)
				start := time.Now()
				r := w.verify(t, a.bytes())
				require.Less(t, time.Since(start), 2*time.Second)
				require.Equal(t, c.indication, r.Indication, "%s %s %v", r.Signatures[0].SubIndication, r.Signatures[0].Reason, r.Facts.Signatures[0].Problems)
				require.Equal(t, c.sub, r.Signatures[0].SubIndication, "%s %v", r.Signatures[0].Reason, r.Facts.Signatures[0].Problems)
				_, err := r.Signatures[0].Signed()
				require.Error(t, err)
			})
		}
	}
}

// deepChain hangs steps that each refer to the next one twice below the first.
func deepChain(chain string, depth int) string {
	var b strings.Builder
	for i := range depth {
		next := fmt.Sprintf(`<hc:StepRef URI="#S%d"/>`, i+1)
		fmt.Fprintf(&b, `<hc:HashStep id="S%d">%s%s</hc:HashStep>`, i, next, next)
	}
	fmt.Fprintf(&b, `<hc:HashStep id="S%d"><hc:HashValue><DigestValue>AA==</DigestValue></hc:HashValue></hc:HashStep>`, depth)
	chain = strings.Replace(chain, "</hc:HashStep>", `<hc:StepRef URI="#S0"/></hc:HashStep>`, 1)
	return strings.Replace(chain, "</hc:HashChain>", b.String()+"</hc:HashChain>", 1)
}

// The encoding of a value, octet by octet: digest, method, no transforms.
func TestSingleDigest(t *testing.T) {
	require.Equal(t, []byte("\x30\x0a\x04\x02\x01\x02\x0c\x02u:\x30\x00"), asic.SingleDigest("u:", []byte{1, 2}))
}

func FuzzHashChain(f *testing.F) {
	w := newWorkshop(f, sign.KindP256)
	sibling := sha512.Sum512([]byte("another message"))
	a := logged(f, w, sign.MessageLogOptions{Batch: [][]byte{sibling[:]}})
	chain, result := a.find("sig-hashchain.xml").body, a.find(asic.SigHashChainResult).body
	f.Add(chain, result)
	f.Add([]byte(`<hc:HashChain xmlns:hc="http://cyber.ee/hashchain"/>`), []byte(`<hc:HashChainResult xmlns:hc="http://cyber.ee/hashchain" URI="/sig-hashchain.xml#STEP0"/>`))
	f.Fuzz(func(t *testing.T, c, r []byte) {
		b := archive{files: append([]file(nil), a.files...)}
		b.find("sig-hashchain.xml").body, b.find(asic.SigHashChainResult).body = c, r
		got, err := w.verifier.Verify(t.Context(), signature.Input{Document: facts.Bytes(b.bytes())}, w.policy)
		switch {
		case bytes.Equal(c, chain) && bytes.Equal(r, result):
			require.NoError(t, err)
			require.Equal(t, signature.TotalPassed, got.Indication)
		case err == nil && !bytes.Equal(r, result):
			require.NotEqual(t, signature.TotalPassed, got.Indication)
		}
	})
}
