package sstest

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mist/registry"
	"mist/signature/facts"
	"mist/signature/sign"
	"mist/soap"
	"mist/soap/xroad"
)

// Archive keeps exchanges in a folder as the message logs of security servers
// give them out: a sealed container for the request, sealed by the client's
// server, and one for the answer, sealed by the provider's. Trembita's are
// ASiC-S with CAdES, X-Road's ASiC-E with XAdES over a hash chain.
type Archive struct {
	Dir              string
	Profile          Profile
	Client, Provider sign.Signer
	// Stamp, when set, gives the time-stamps; without it a seal claims its time.
	Stamp sign.TSA
	// CRLs (DER) go into seals with a time-stamp, which makes them level LT.
	CRLs [][]byte
	Now  func() time.Time
}

// Keep writes the two containers of an exchange: <id>-request-<10 digits>.asics
// and <id>-response-<10 digits>.asics, or .asice; for a fault (response nil) the
// request's alone.
func (a *Archive) Keep(ctx context.Context, request, response []byte) error {
	e := new(soap.Envelope)
	if err := e.Parse(bytes.TrimPrefix(request, []byte("\xEF\xBB\xBF")), soap.DefaultHeaderBytes); err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	h, err := xroad.ParseHeader(e, xroad.Protocol{EmptyID: true})
	if err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	sum := sha512.Sum512(request)
	id := fileName(registry.MessageName(h.ID, sum[:]))
	for _, m := range []struct {
		kind    string
		message []byte
		by      sign.Signer
	}{{"request", request, a.Client}, {"response", response, a.Provider}} {
		if m.message == nil {
			continue
		}
		container, extension, err := a.seal(ctx, m.by, m.message)
		if err != nil {
			return fmt.Errorf("sealing the %s: %w", m.kind, err)
		}
		sum := sha512.Sum512(container)
		if err := put(filepath.Join(a.Dir, id+"-"+m.kind+"-"+hex.EncodeToString(sum[:5])+extension), container); err != nil {
			return fmt.Errorf("keeping the %s: %w", m.kind, err)
		}
	}
	return nil
}

func (a *Archive) seal(ctx context.Context, by sign.Signer, message []byte) (container []byte, extension string, err error) {
	var out bytes.Buffer
	o := sign.XAdESOptions{Options: sign.Options{Time: a.Now()}}
	if a.Profile == Trembita {
		o.TSA, o.CRLs = a.Stamp, a.CRLs
		object := sign.DataObject{Name: "message.xml", MediaType: "text/xml", Content: facts.Bytes(message)}
		err = sign.ASiC(ctx, &out, by, sign.ASiCOptions{XAdESOptions: o}, object)
		return out.Bytes(), ".asics", err
	}
	// Servers sign in batches: the message is one of two in a hash chain.
	sibling := sha512.Sum512(nil)
	err = sign.MessageLog(ctx, &out, by, sign.MessageLogOptions{XAdESOptions: o, Batch: [][]byte{sibling[:]}, Stamp: a.Stamp}, message)
	return out.Bytes(), ".asice", err
}

// put writes a file whole or not at all.
func put(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".part-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already after the rename
	if _, err := f.Write(b); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// fileName keeps letters, digits, dots, dashes and underscores of a message id.
func fileName(id string) string {
	s := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '_'
	}, id)
	return strings.TrimLeft(s[:min(len(s), 100)], ".")
}
