package main

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"mist/registry"
	"mist/signature/algo"
	"mist/signature/cert"
	"mist/signature/pki"
	"mist/signature/sign"
)

// authority is the sandbox's trust service provider: it answers for the
// certificates it issued, over the test OCSP responder and TSA.
type authority struct {
	source    registry.Source
	issuers   []pki.Issuer // CAs: DSTU and ECDSA
	responder map[string]pki.Issuer
	unit      pki.Issuer
	mu        sync.Mutex            // guards issued
	issued    map[string]pki.Status // serial → status
}

// issuedFile lists what the sandbox issued: serial (hex) → revocation time or "".
const issuedFile = "issued.json"

// makeAuthority issues everything the sandbox needs: two hierarchies (DSTU and
// ECDSA) with root, CA and OCSP responder, one TSA, people and seals. It fills
// paths of keys and certificates into the state.
func makeAuthority(dir, services string, state *sandboxState, source registry.Source) error {
	now := source.Now()
	m := &maker{dir: dir, source: source, services: services, issued: map[string]string{},
		from: now.Add(-24 * time.Hour), until: now.AddDate(2, 0, 0)}
	for _, algorithm := range []string{sign.KindDSTU257, sign.KindP256} {
		if err := m.hierarchy(algorithm); err != nil {
			return err
		}
	}
	unit := pki.Template{Profile: pki.TSA, Subject: pki.Subject{CommonName: sandboxMark + ": TSA", Organization: sandboxMark}, NotBefore: m.from, NotAfter: m.until}
	if _, err := m.issue(unit, sign.KindDSTU257, "pki/tsa", "pki/trust/tsa.pem"); err != nil {
		return err
	}

	for i := range state.Public.People {
		if err := m.person(&state.Public.People[i], fmt.Sprintf("people/%s-%d", state.Public.People[i].Role, i+1), m.from, m.until); err != nil {
			return err
		}
	}
	for i := range state.Public.Organisations {
		o := &state.Public.Organisations[i]
		algorithm := []string{sign.KindDSTU257, sign.KindP256}[i%2]
		o.SealKey, o.SealCert = m.path(fmt.Sprintf("organisations/seal-%d.key.pem", i+1)), m.path(fmt.Sprintf("organisations/seal-%d.cert.pem", i+1))
		t := pki.Template{Profile: pki.Seal, Subject: pki.Subject{CommonName: o.Name, Organization: o.Name, EDRPOU: o.EDRPOU}, NotBefore: m.from, NotAfter: m.until, OCSP: services + "/ocsp"}
		if _, err := m.issue(t, algorithm, fmt.Sprintf("organisations/seal-%d", i+1), fmt.Sprintf("organisations/seal-%d.cert.pem", i+1)); err != nil {
			return err
		}
	}
	for i := range state.Public.Negative {
		n := &state.Public.Negative[i]
		name := "negative/" + n.Case
		switch n.Case {
		case "revoked":
			if err := m.person(&n.Person, name, m.from, m.until); err != nil {
				return err
			}
			b, err := os.ReadFile(n.Person.Cert)
			if err != nil {
				return err
			}
			c, err := parseCertificate(b)
			if err != nil {
				return err
			}
			m.issued[c.SerialHex()] = now.Add(-time.Hour).Format(time.RFC3339)
		case "expired":
			if err := m.person(&n.Person, name, m.from.AddDate(-3, 0, 0), m.from); err != nil {
				return err
			}
		case "untrusted_ca":
			// A hierarchy of its own that stands in no trust folder.
			stranger := &maker{dir: filepath.Join(dir, "negative", "stranger"), source: source, services: services, issued: map[string]string{}, from: m.from, until: m.until}
			if err := stranger.hierarchy(sign.KindDSTU257); err != nil {
				return err
			}
			m.other = &stranger.cas[0]
			err := m.person(&n.Person, name, m.from, m.until)
			m.other = nil
			if err != nil {
				return err
			}
		}
	}
	return writeJSONFile(filepath.Join(dir, "pki", issuedFile), m.issued, 0o600)
}

// maker issues certificates into a folder.
type maker struct {
	dir         string
	source      registry.Source
	services    string
	from, until time.Time
	cas         []pki.Issuer // by order of algorithms: DSTU, ECDSA
	other       *pki.Issuer  // issues instead, when set
	issued      map[string]string
}

func (m *maker) path(name string) string { return filepath.Join(m.dir, filepath.FromSlash(name)) }

// hierarchy makes root, CA and responder of one algorithm.
func (m *maker) hierarchy(algorithm string) error {
	name := map[string]string{sign.KindDSTU257: "ДСТУ 4145", sign.KindP256: "ECDSA"}[algorithm]
	short := map[string]string{sign.KindDSTU257: "dstu", sign.KindP256: "ecdsa"}[algorithm]
	key, err := sign.GenerateKey(algorithm, m.source.Random)
	if err != nil {
		return err
	}
	until := m.until.AddDate(8, 0, 0)
	root, err := pki.Issue(pki.Template{
		Profile: pki.Root, Subject: pki.Subject{CommonName: sandboxMark + ": корінь " + name, Organization: sandboxMark}, NotBefore: m.from.AddDate(-3, 0, -1), NotAfter: until,
	}, key, nil, m.source.Random)
	if err != nil {
		return err
	}
	if err := m.keep(key, root, "pki/root-"+short, "pki/trust/root-"+short+".pem"); err != nil {
		return err
	}
	caKey, err := sign.GenerateKey(algorithm, m.source.Random)
	if err != nil {
		return err
	}
	ca, err := pki.Issue(pki.Template{
		Profile: pki.CA, Subject: pki.Subject{CommonName: sandboxMark + ": КНЕДП " + name, Organization: sandboxMark}, NotBefore: m.from.AddDate(-3, 0, -1), NotAfter: until, OCSP: m.services + "/ocsp",
	}, caKey, &pki.Issuer{Certificate: root, Key: key}, m.source.Random)
	if err != nil {
		return err
	}
	m.issued[ca.SerialHex()] = ""
	if err := m.keep(caKey, ca, "pki/ca-"+short, "pki/trust/ca-"+short+".pem"); err != nil {
		return err
	}
	m.cas = append(m.cas, pki.Issuer{Certificate: ca, Key: caKey})
	// Two responders: the root's answers for the CA, the CA's for everybody below.
	for _, r := range []struct {
		by   pki.Issuer
		name string
	}{{pki.Issuer{Certificate: root, Key: key}, "root"}, {m.cas[len(m.cas)-1], "ca"}} {
		m.other = &r.by
		t := pki.Template{Profile: pki.Responder, Subject: pki.Subject{CommonName: sandboxMark + ": OCSP " + r.name + " " + name, Organization: sandboxMark}, NotBefore: m.from, NotAfter: m.until}
		_, err = m.issue(t, algorithm, "pki/ocsp-"+r.name+"-"+short, "pki/trust/ocsp-"+r.name+"-"+short+".pem")
		m.other = nil
		if err != nil {
			return err
		}
	}
	return nil
}

// issue makes a key and a certificate under the CA of the algorithm.
func (m *maker) issue(t pki.Template, algorithm, keyName, certName string) (*cert.Certificate, error) {
	key, err := sign.GenerateKey(algorithm, m.source.Random)
	if err != nil {
		return nil, err
	}
	by := m.other
	if by == nil {
		by = &m.cas[0]
		if algorithm == sign.KindP256 {
			by = &m.cas[1]
		}
	}
	c, err := pki.Issue(t, key, by, m.source.Random)
	if err != nil {
		return nil, err
	}
	m.issued[c.SerialHex()] = ""
	return c, m.keep(key, c, keyName, certName)
}

func (m *maker) person(p *sandboxPerson, name string, from, until time.Time) error {
	last, given, _ := strings.Cut(p.Name, " ")
	t := pki.Template{
		Profile: pki.Person, Subject: pki.Subject{CommonName: p.Name, Surname: last, GivenName: given, RNOKPP: p.RNOKPP, UNZR: p.UNZR, EDRPOU: p.EDRPOU},
		NotBefore: from, NotAfter: until, OCSP: m.services + "/ocsp",
	}
	p.Key, p.Cert = m.path(name+".key.pem"), m.path(name+".cert.pem")
	_, err := m.issue(t, p.Algorithm, name, name+".cert.pem")
	return err
}

func (m *maker) keep(key *sign.Key, c *cert.Certificate, keyName, certName string) error {
	b, err := key.PEM()
	if err != nil {
		return err
	}
	if err := writeFile(m.path(keyName+".key.pem"), b, 0o600); err != nil {
		return err
	}
	return writeFile(m.path(certName), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), 0o644)
}

func parseCertificate(b []byte) (*cert.Certificate, error) {
	if block, _ := pem.Decode(b); block != nil {
		b = block.Bytes
	}
	return cert.Parse(b)
}

// openAuthority reads the keys the test services answer with.
func openAuthority(dir string) (*authority, error) {
	a := &authority{source: registry.SystemSource(), responder: map[string]pki.Issuer{}, issued: map[string]pki.Status{}}
	read := func(key, certificate string) (pki.Issuer, error) {
		kb, err := os.ReadFile(filepath.Join(dir, "pki", key+".key.pem"))
		if err != nil {
			return pki.Issuer{}, err
		}
		cb, err := os.ReadFile(filepath.Join(dir, "pki", "trust", certificate+".pem"))
		if err != nil {
			return pki.Issuer{}, err
		}
		k, err := sign.ParseKey(kb)
		if err != nil {
			return pki.Issuer{}, err
		}
		c, err := parseCertificate(cb)
		return pki.Issuer{Certificate: c, Key: k}, err
	}
	var err error
	for _, short := range []string{"dstu", "ecdsa"} {
		for _, name := range []string{"root", "ca"} {
			issuer, err := read(name+"-"+short, name+"-"+short)
			if err != nil {
				return nil, err
			}
			a.issuers = append(a.issuers, issuer)
			if a.responder[issuer.Certificate.ID], err = read("ocsp-"+name+"-"+short, "ocsp-"+name+"-"+short); err != nil {
				return nil, err
			}
		}
	}
	if a.unit, err = read("tsa", "tsa"); err != nil {
		return nil, err
	}
	var issued map[string]string
	if err := readJSONFile(filepath.Join(dir, "pki", issuedFile), &issued); err != nil {
		return nil, err
	}
	for serial, at := range issued {
		var s pki.Status
		if at != "" {
			if s.Revoked, err = time.Parse(time.RFC3339, at); err != nil {
				return nil, fmt.Errorf("reading %s: %w", issuedFile, err)
			}
		}
		a.issued[serial] = s
	}
	return a, nil
}

// crlTTL is how long the sandbox's revocation lists are valid; every start makes new ones.
const crlTTL = 30 * 24 * time.Hour

// writeCRLs puts a revocation list of every authority beside the certificates,
// so that mist-verify can judge sandbox signatures offline.
func (a *authority) writeCRLs(dir string) error {
	now := a.source.Now()
	for i, issuer := range a.issuers {
		l := pki.CRL{Number: int(now.Unix()), ThisUpdate: now, NextUpdate: now.Add(crlTTL)}
		for _, serial := range slices.Sorted(maps.Keys(a.issued)) {
			s := a.issued[serial]
			n, ok := new(big.Int).SetString(serial, 16)
			if ok && !s.Revoked.IsZero() {
				l.Revoked = append(l.Revoked, pki.Revocation{Serial: n, At: s.Revoked})
			}
		}
		der, err := pki.IssueCRL(l, issuer, a.source.Random)
		if err != nil {
			return err
		}
		if err := writeFile(filepath.Join(dir, fmt.Sprintf("list-%d.crl", i+1)), der, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// ocspTTL is how long an answer of the sandbox's responder is valid.
const ocspTTL = 10 * time.Minute

// ocsp answers one OCSP request. The issuer is found by the hashes asked with.
func (a *authority) ocsp(request []byte) ([]byte, error) {
	id, nonce, err := pki.ParseOCSPRequest(request)
	if err != nil {
		return pki.OCSPFailure(1), nil
	}
	digest, err := algo.DigestByOID(id.Digest)
	if err != nil {
		return pki.OCSPFailure(1), nil
	}
	for _, issuer := range a.issuers {
		if !bytes.Equal(digest.Sum(issuer.Certificate.Subject.Raw), id.IssuerName) {
			continue
		}
		a.mu.Lock()
		status, known := a.issued[fmt.Sprintf("%X", id.Serial.Bytes())]
		a.mu.Unlock()
		status.Unknown = !known
		return pki.RespondOCSP(id, nonce, status, a.responder[issuer.Certificate.ID], a.source.Now(), ocspTTL, a.source.Random)
	}
	return pki.OCSPFailure(6), nil
}

// revoke makes the OCSP responder call a certificate revoked from now on,
// until the sandbox starts again. It answers an empty object.
func (a *authority) revoke(der []byte) ([]byte, error) {
	c, err := parseCertificate(der)
	if err != nil {
		return nil, errors.New("the body must be a certificate, DER or PEM")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	status, known := a.issued[c.SerialHex()]
	if !known {
		return nil, errors.New("the sandbox issued no such certificate")
	}
	if status.Revoked.IsZero() {
		status.Revoked = a.source.Now()
		a.issued[c.SerialHex()] = status
	}
	return []byte("{}"), nil
}

// tsa answers one time-stamp request.
func (a *authority) tsa(request []byte) ([]byte, error) {
	r, err := pki.ParseStampRequest(request)
	if errors.Is(err, pki.ErrRequest) {
		return pki.StampRefusal(), nil
	}
	if err != nil {
		return nil, err
	}
	token, err := pki.Stamp(r, a.unit, a.source.Now(), a.source.Random)
	if err != nil {
		return nil, err
	}
	return pki.StampResponse(token), nil
}
