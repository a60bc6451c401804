package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/audit"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/soap/xroad"
)

// answerBody carries the hash of "data", as answers of the Diia service do.
var answerBody = fmt.Sprintf(`<x:GetThingResponse xmlns:x="urn:x"><x:responseHash>%x</x:responseHash></x:GetThingResponse>`, sha512.Sum512([]byte("data")))

// xroadMessages are a request and its answer as a security server passes them on.
func xroadMessages(id string) (request, response []byte) {
	header := func(hash string) string {
		return `<S:Header><xrd:client id:objectType="SUBSYSTEM"><id:xRoadInstance>T</id:xRoadInstance><id:memberClass>GOV</id:memberClass><id:memberCode>11111111</id:memberCode><id:subsystemCode>c</id:subsystemCode></xrd:client>` +
			`<xrd:service id:objectType="SERVICE"><id:xRoadInstance>T</id:xRoadInstance><id:memberClass>GOV</id:memberClass><id:memberCode>22222222</id:memberCode><id:subsystemCode>s</id:subsystemCode><id:serviceCode>GetThing</id:serviceCode></xrd:service>` +
			`<xrd:id>` + id + `</xrd:id><xrd:protocolVersion>4.0</xrd:protocolVersion>` + hash + `</S:Header>`
	}
	envelope := func(head, body string) []byte {
		return []byte(`<?xml version="1.0" encoding="UTF-8"?><S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xrd="http://x-road.eu/xsd/xroad.xsd" xmlns:id="http://x-road.eu/xsd/identifiers">` + head + `<S:Body>` + body + `</S:Body></S:Envelope>`)
	}
	request = envelope(header(""), `<x:GetThing xmlns:x="urn:x"/>`)
	sum := sha512.Sum512(request)
	response = envelope(header(`<xrd:requestHash algorithmId="`+xroad.AlgorithmSHA512+`">`+base64.StdEncoding.EncodeToString(sum[:])+`</xrd:requestHash>`), answerBody)
	return request, response
}

// A pair of containers of the message log of X-Road, each sealed by its own server, proves an exchange and joins the
// audit entry; one changed octet anywhere disproves it.
func TestExchangeOfXRoad(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	dir := t.TempDir()
	issue := func(p pki.Profile, name string, by *pki.Issuer) pki.Issuer {
		key, err := sign.GenerateKey(sign.KindRSA2048, rand.Reader)
		require.NoError(t, err)
		c, err := pki.Issue(pki.Template{Profile: p, Subject: pki.Subject{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}, key, by, rand.Reader)
		require.NoError(t, err)
		return pki.Issuer{Certificate: c, Key: key}
	}
	root := issue(pki.Root, "Корінь", nil)
	trusted := filepath.Join(dir, "trust")
	require.NoError(t, os.Mkdir(trusted, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(trusted, "root.cer"), root.Certificate.Raw, 0o600))
	client, server := issue(pki.Seal, "Шлюз клієнта", &root), issue(pki.Seal, "Шлюз реєстру", &root)
	container := func(name string, by pki.Issuer, o sign.MessageLogOptions, message []byte) string {
		o.XAdESOptions = sign.XAdESOptions{Options: sign.Options{Time: now}}
		var out bytes.Buffer
		require.NoError(t, sign.MessageLog(t.Context(), &out, sign.Signer{Key: by.Key, Certificate: by.Certificate.Raw}, o, message))
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, out.Bytes(), 0o600))
		return path
	}
	request, response := xroadMessages("m-1")
	sibling := sha512.Sum512([]byte("another message of the batch"))
	batch := sign.MessageLogOptions{Batch: [][]byte{sibling[:]}, Unlogged: map[string][]byte{"attachment1": []byte("не збережено")}}
	for name, o := range map[string]sign.MessageLogOptions{"single": {}, "batch": batch} {
		q, a := container(name+"-request.asice", client, o, request), container(name+"-response.asice", server, o, response)
		entry := func(edit func(*audit.Entry)) string {
			source := registry.SystemSource()
			sum, answer := sha512.Sum512(request), sha512.Sum512([]byte(answerBody))
			e := audit.Entry{
				ID: source.NewID(), Kind: audit.ExchangeAnswered, Time: now.UTC(), Writer: audit.Writer{ID: source.NewID(), N: 1},
				Actor: audit.Actor{XRoadClient: "T/GOV/11111111/c"}, Channel: "soap", RequestID: "r", Nonce: make([]byte, 16),
				Exchange: &audit.Exchange{MessageID: "m-1", RequestSHA512: sum[:], ResponseSHA512: answer[:]},
			}
			edit(&e)
			b, err := audit.Encode(e)
			require.NoError(t, err)
			path := filepath.Join(t.TempDir(), "entry.json")
			require.NoError(t, os.WriteFile(path, b, 0o600))
			return path
		}
		code, r, errs := exchange(t, "--trust", trusted, q, a, "--entry", entry(func(*audit.Entry) {}))
		require.Equal(t, exitPassed, code, "%s %s %v", name, errs, r)
		require.Equal(t, "proven", r.Verdict)
		require.Equal(t, xroad.AlgorithmSHA512, r.Link.Algorithm)
		require.Equal(t, "Шлюз клієнта", r.Request.Signer)
		require.Equal(t, "Шлюз реєстру", r.Response.Signer)
		require.True(t, r.Entry.Matches)
		require.True(t, r.Entry.Answer)
		// A disclosure keeps the hash of the data, which the answer names.
		code, r, errs = exchange(t, "--trust", trusted, q, a, "--entry", entry(func(e *audit.Entry) {
			data := sha512.Sum512([]byte("data"))
			e.Kind, e.Exchange.ResponseSHA512 = audit.Disclosure, data[:]
		}))
		require.Equal(t, exitPassed, code, errs)
		require.True(t, r.Entry.Answer)
		for _, kind := range []audit.Kind{audit.Disclosure, audit.ExchangeAnswered} {
			code, r, _ = exchange(t, "--trust", trusted, q, a, "--entry", entry(func(e *audit.Entry) { e.Kind, e.Exchange.ResponseSHA512 = kind, make([]byte, 64) }))
			require.Equal(t, exitFailed, code)
			require.Equal(t, "hash of the answer", r.Entry.Differs)
		}

		code, r, _ = exchange(t, "--trust", trusted, q, a, "--entry", entry(func(e *audit.Entry) { e.Exchange.MessageID = "m-2" }))
		require.Equal(t, exitFailed, code)
		require.Equal(t, "message id", r.Entry.Differs)
		code, _, _ = exchange(t, q, a)
		require.Equal(t, exitUndecided, code, "%s: nobody trusts the seals", name)
		changed := func(b []byte) []byte { return bytes.Replace(b, []byte(">m-1<"), []byte("> m-1<"), 1) }
		code, r, _ = exchange(t, "--trust", trusted, rewritten(t, q, "message.xml", changed), a)
		require.Equal(t, exitFailed, code)
		require.Equal(t, "disproven", r.Verdict)
		code, r, _ = exchange(t, "--trust", trusted, q, rewritten(t, a, "message.xml", changed))
		require.Equal(t, exitFailed, code)
		require.Contains(t, strings.Join(r.Reasons, " "), "response.asice")
		if name == "batch" {
			code, r, _ = exchange(t, "--trust", trusted, rewritten(t, q, "sig-hashchain.xml", func(b []byte) []byte {
				return bytes.Replace(b, []byte("</hc:HashStep>"), []byte(fmt.Sprintf("<hc:HashValue><DigestValue>%s</DigestValue></hc:HashValue></hc:HashStep>", base64.StdEncoding.EncodeToString(sibling[:]))), 1)
			}), a)
			require.Equal(t, exitFailed, code)
			require.Equal(t, "disproven", r.Verdict)
		}
		other, _ := xroadMessages("m-9")
		code, _, _ = exchange(t, "--trust", trusted, container(name+"-other.asice", client, o, other), a)
		require.Equal(t, exitFailed, code, "an answer to another request")
	}
}
