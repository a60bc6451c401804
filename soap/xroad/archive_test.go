package xroad_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/soap/xroad"
)

func zipped(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for name, body := range files {
		w, err := z.Create(name)
		require.NoError(t, err)
		_, err = w.Write([]byte(body))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return out.Bytes()
}

func kept(t testing.TB, message string) []byte {
	return zipped(t, map[string]string{"message.xml": message, "META-INF/signatures.xml": "<x/>"})
}

// answered is the answer to a request as a security server passes it on.
func answered(request string) string {
	sum := sha512.Sum512([]byte(request))
	return strings.Replace(strings.ReplaceAll(request, "GetThing", "GetThingResponse"), "<xrd:protocolVersion>",
		`<xrd:requestHash algorithmId="`+xroad.AlgorithmSHA512+`">`+base64.StdEncoding.EncodeToString(sum[:])+`</xrd:requestHash><xrd:protocolVersion>`, 1)
}

// reversed stands for GOST 34.311, which this package does not know.
func reversed(b []byte) (out [32]byte) {
	for i := range out {
		out[i] = b[len(b)-1-i]
	}
	return out
}

// What archive or trail lacks is named; where both agree, nothing is.
func TestReconcile(t *testing.T) {
	request := func(id string) string {
		a := strings.Index(message, "<xrd:id>") + len("<xrd:id>")
		return message[:a] + id + message[a+strings.Index(message[a:], "<"):]
	}
	client := "SEVDEIR-TEST/GOV/43395033/DpDiia_cons"
	recorded := func(id string) xroad.Recorded {
		sum, national := sha512.Sum512([]byte(request(id))), reversed([]byte(request(id)))
		return xroad.Recorded{Entry: "e-" + id, Client: client, MessageID: id, SHA512: sum[:], GOST: national[:]}
	}
	type world struct {
		files map[string][]byte
		trail []xroad.Recorded
	}
	whole := func() world {
		w := world{files: map[string][]byte{}}
		for _, id := range []string{"m-1", "m-2"} {
			w.files[id+"-request.asics"] = kept(t, request(id))
			w.files[id+"-response.asics"] = kept(t, answered(request(id)))
			w.trail = append(w.trail, recorded(id))
		}
		return w
	}
	for _, c := range []struct {
		name   string
		change func(w *world)
		want   []xroad.Finding
	}{
		{"both agree", func(*world) {}, nil},
		{"a repetition has two entries", func(w *world) { w.trail = append(w.trail, recorded("m-1")) }, nil},
		{"a container given twice", func(w *world) { w.files["again.asics"] = w.files["m-1-request.asics"] }, nil},
		{"containers in a zip", func(w *world) {
			w.files = map[string][]byte{"832c.zip": zipped(t, map[string]string{
				"a.asics": string(w.files["m-1-request.asics"]), "b.asics": string(w.files["m-1-response.asics"]), "linkinginfo": "x",
				"c.asice": string(w.files["m-2-request.asics"]), "d.asice": string(w.files["m-2-response.asics"]),
			})}
		}, nil},
		{"a fault is not kept, and its entry says so", func(w *world) {
			delete(w.files, "m-1-response.asics")
			w.trail[0].Refused = true
		}, nil},
		{"an id with a person's number stands in the trail under another name", func(w *world) {
			const number = "UA-3126509817"
			w.files["m-1-request.asics"], w.files["m-1-response.asics"] = kept(t, request(number)), kept(t, answered(request(number)))
			w.trail[0] = recorded(number)
			w.trail[0].MessageID = hex.EncodeToString(w.trail[0].SHA512[:16])
		}, nil},
		{"an entry from before GOST was kept", func(w *world) { w.trail[0].GOST = nil }, nil},
		{"trail lacks an entry", func(w *world) { w.trail = w.trail[1:] },
			[]xroad.Finding{{Kind: xroad.NotInTrail, Client: client, MessageID: "m-1", File: "m-1-request.asics"}}},
		{"archive lacks a request", func(w *world) { delete(w.files, "m-2-request.asics") },
			[]xroad.Finding{{Kind: xroad.NotInArchive, Client: client, MessageID: "m-2", Entry: "e-m-2"}, {Kind: xroad.ResponseUnrelated, Client: client, MessageID: "m-2", File: "m-2-response.asics"}}},
		{"archive lacks an answer", func(w *world) { delete(w.files, "m-1-response.asics") },
			[]xroad.Finding{{Kind: xroad.ResponseMissing, Client: client, MessageID: "m-1", File: "m-1-request.asics"}}},
		{"same id, another request", func(w *world) {
			q := strings.Replace(request("m-1"), "<x:a>1<", "<x:a>2<", 1)
			w.files["m-1-request.asics"], w.files["m-1-response.asics"] = kept(t, q), kept(t, answered(q))
		}, []xroad.Finding{{Kind: xroad.RequestDiffers, Client: client, MessageID: "m-1", File: "m-1-request.asics", Entry: "e-m-1"}, {Kind: xroad.NotInTrail, Client: client, MessageID: "m-1", File: "m-1-request.asics"}}},
		{"an answer to another request", func(w *world) {
			w.files["m-1-response.asics"] = kept(t, answered(strings.Replace(request("m-1"), "<x:a>1<", "<x:a>2<", 1)))
		}, []xroad.Finding{{Kind: xroad.ResponseMissing, Client: client, MessageID: "m-1", File: "m-1-request.asics"}, {Kind: xroad.ResponseUnrelated, Client: client, MessageID: "m-1", File: "m-1-response.asics"}}},
		{"the two hashes disagree", func(w *world) { w.trail[0].GOST = make([]byte, 32) },
			[]xroad.Finding{{Kind: xroad.HashesDisagree, Client: client, MessageID: "m-1", File: "m-1-request.asics", Entry: "e-m-1"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := whole()
			c.change(&w)
			provider, err := xroad.ParseClientID("SEVDEIR-TEST/GOV/42032422/50_mist_prod")
			require.NoError(t, err)
			a := &xroad.Archive{GOST: reversed, Provider: provider}
			for name, body := range w.files {
				require.NoError(t, xroad.Containers(name, body, a.Add))
			}
			// A message to somebody else is none of our business.
			require.NoError(t, a.Add(xroad.Container{Name: "other.asics", Body: kept(t, strings.Replace(request("m-3"), ">42032422<", ">00032684<", 1))}))
			r := a.Reconcile(w.trail)
			require.Equal(t, 1, a.Passed)
			require.Equal(t, append([]xroad.Finding{}, c.want...), r.Findings)
			require.Equal(t, len(w.trail), r.Entries)
		})
	}
}

func TestContainersRefuse(t *testing.T) {
	a := &xroad.Archive{}
	for name, body := range map[string][]byte{
		"no zip": []byte("PK"), "no message": zipped(t, map[string]string{"a": "b"}), "no soap": kept(t, "<a/>"), "no header": kept(t, "<a"),
	} {
		require.Error(t, a.Add(xroad.Container{Name: name, Body: body}), name)
	}
	require.Error(t, xroad.Containers("x.zip", []byte("no zip"), a.Add))
	require.NoError(t, a.Add(xroad.Container{Name: "twin", Body: kept(t, message)}))
}

func FuzzContainers(f *testing.F) {
	f.Add(kept(f, message))
	f.Add(zipped(f, map[string]string{"a.asice": string(kept(f, answered(message)))}))
	f.Fuzz(func(_ *testing.T, b []byte) {
		a := &xroad.Archive{GOST: func([]byte) (s [32]byte) { return s }}
		for _, name := range []string{"a.asics", "b.zip"} {
			_ = xroad.Containers(name, b, a.Add)
		}
		a.Reconcile(nil)
	})
}
