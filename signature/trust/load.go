package trust

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"

	"mist/signature/cert"
	"mist/signature/cms"
	"mist/signature/facts"
)

// ErrNoAnchors is returned for a folder without a certificate to trust.
var ErrNoAnchors = errors.New("no CA certificate found (files .cer .crt .der .pem .p7b)")

// MaxBundle is the largest certificate file read.
const MaxBundle = 32 << 20

// ParseCertificates reads one certificate or many: DER, PEM, bare base64, or
// a PKCS #7 bundle (CACertificates.p7b). Entries that cannot be read are
// returned as remarks, not as a failure of the whole bundle.
func ParseCertificates(b []byte) (certs []*cert.Certificate, remarks []string, err error) {
	if bytes.Contains(b, []byte("-----BEGIN")) {
		for rest := b; ; {
			var block *pem.Block
			block, rest = pem.Decode(rest)
			if block == nil {
				break
			}
			switch block.Type {
			case "CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE", "PKCS7", "CMS":
				more, r, err := ParseCertificates(block.Bytes)
				if err != nil {
					remarks = append(remarks, err.Error())
				}
				certs, remarks = append(certs, more...), append(remarks, r...)
			}
		}
		if len(certs) == 0 {
			return nil, remarks, fmt.Errorf("no certificate in the PEM file")
		}
		return certs, remarks, nil
	}
	if len(b) > 0 && b[0] != 0x30 {
		if der, e := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(b)), "")); e == nil && len(der) > 0 {
			b = der
		}
	}
	if m, e := cms.Parse(b); e == nil {
		for i, der := range m.Certificates {
			c, err := cert.Parse(der)
			if err != nil {
				remarks = append(remarks, fmt.Sprintf("certificate %d of the bundle: %v", i+1, err))
				continue
			}
			certs = append(certs, c)
		}
		if len(certs) == 0 {
			return nil, remarks, fmt.Errorf("no readable certificate in the bundle")
		}
		return certs, remarks, nil
	}
	c, err := cert.Parse(b)
	if err != nil {
		return nil, nil, err
	}
	return []*cert.Certificate{c}, nil, nil
}

// LoadFolder makes a snapshot of a folder of certificates, bundles and CRLs.
//
// The owner of the folder vouches for it: CA certificates that issued
// themselves are anchors for every purpose, and so is a CA certificate whose
// issuer is not in the folder. Other certificates (CAs below, time-stamp and
// OCSP units) only help to build paths. Sub-folders signer, tsa and ocsp limit
// the anchors in them to that purpose.
func LoadFolder(fsys fs.FS, name string) (*Snapshot, error) {
	type found struct {
		c       *cert.Certificate
		purpose string
	}
	var all []found
	var crls []*CRL
	var remarks []string
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch strings.ToLower(path.Ext(p)) {
		case ".cer", ".crt", ".der", ".pem", ".p7b", ".p7c", ".crl":
		default:
			return nil
		}
		if info, err := d.Info(); err != nil || info.Size() > MaxCRL {
			remarks = append(remarks, p+": too large or unreadable")
			return nil
		}
		b, err := fs.ReadFile(fsys, p)
		if err != nil {
			return fmt.Errorf("reading %s: %w", p, err)
		}
		if strings.EqualFold(path.Ext(p), ".crl") {
			l, err := ParseCRL(PEMOrDER(b))
			if err != nil {
				remarks = append(remarks, p+": "+err.Error())
				return nil
			}
			crls = append(crls, l)
			return nil
		}
		certs, r, err := ParseCertificates(b)
		if err != nil {
			remarks = append(remarks, p+": "+err.Error())
			return nil
		}
		remarks = append(remarks, r...)
		for _, c := range certs {
			all = append(all, found{c, path.Dir(p)})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("loading trust folder: %w", err)
	}
	pool := NewPool()
	for _, f := range all {
		pool.Add(f.c)
	}
	edges := NewEdges()
	var anchors []Anchor
	var rest []*cert.Certificate
	for _, f := range all {
		isAnchor := false
		switch {
		case f.c.SelfIssued():
			isAnchor = edges.Signed(f.c, f.c)
		case f.c.Ext.CA:
			isAnchor = true
			for _, i := range pool.issuers(f.c, func(string) bool { return false }) {
				if edges.Signed(f.c, i) {
					isAnchor = false
					break
				}
			}
		}
		if !isAnchor {
			rest = append(rest, f.c)
			continue
		}
		purposes := []string{facts.PurposeSigner, facts.PurposeTSA, facts.PurposeOCSP}
		switch f.purpose {
		case facts.PurposeSigner, facts.PurposeTSA, facts.PurposeOCSP:
			purposes = []string{f.purpose}
		}
		anchors = append(anchors, Anchor{Certificate: f.c, Trust: []facts.Trust{{Source: name, Purposes: purposes}}})
	}
	if len(anchors) == 0 {
		return nil, fmt.Errorf("loading trust folder: %w", ErrNoAnchors)
	}
	s := NewSnapshot(name, anchors, rest, crls)
	sort.Strings(remarks)
	s.Remarks = remarks
	return s, nil
}

// PEMOrDER takes the DER out of a PEM file.
func PEMOrDER(b []byte) []byte {
	if block, _ := pem.Decode(b); block != nil {
		return block.Bytes
	}
	return b
}
