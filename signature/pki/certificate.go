// Package pki is the issuing side of a test public key infrastructure:
// certificates in the Ukrainian profile, OCSP responses, CRLs and RFC 3161
// tokens, made with the project's own code. It serves the sandbox and tests;
// every function is bytes in, bytes out.
//
// It refuses nothing a test may want (expired, revoked, foreign chains): it
// makes what the verifier must judge. No production key belongs here.
package pki

import (
	"fmt"
	"io"
	"math/big"
	"time"

	"mist/signature/algo"
	"mist/signature/cert"
	"mist/signature/internal/ber"
	"mist/signature/sign"
)

// Profile of a certificate: what it is for.
type Profile int

// Profiles.
const (
	Root      Profile = iota // self-signed authority
	CA                       // authority below the root
	TSA                      // time-stamp unit
	Responder                // OCSP responder
	Person                   // natural person
	Seal                     // electronic seal of an organisation
)

// Subject is who the certificate is about, in the fields of the Ukrainian profile.
type Subject struct {
	CommonName   string
	Surname      string
	GivenName    string // given name and patronymic
	Organization string
	Title        string
	RNOKPP       string // TINUA- in serialNumber and subjectDirectoryAttributes
	EDRPOU       string // NTRUA- in organizationIdentifier and subjectDirectoryAttributes
	UNZR         string
	Locality     string
}

// Template is one certificate to be issued.
type Template struct {
	Profile   Profile
	Subject   Subject
	NotBefore time.Time
	NotAfter  time.Time
	OCSP      string // address of the responder; empty: none
	CRL       string
	// Advanced leaves out QcSSCD: the key is not in a qualified device (УЕП).
	Advanced bool
}

// Issuer is an authority: its certificate and key. A Root has no issuer yet.
type Issuer struct {
	Certificate *cert.Certificate
	Key         *sign.Key
}

// Object identifiers of the profile.
const (
	oidCN, oidSN, oidSerial, oidC, oidL, oidO = "2.5.4.3", "2.5.4.4", "2.5.4.5", "2.5.4.6", "2.5.4.7", "2.5.4.10"
	oidTitle, oidGiven, oidOrgID              = "2.5.4.12", "2.5.4.42", "2.5.4.97"

	oidQC           = "1.3.6.1.5.5.7.1.3"
	oidQCCompliance = "0.4.0.1862.1.1"
	oidQCSSCD       = "0.4.0.1862.1.4"
	oidQCType       = "0.4.0.1862.1.6"
	oidQCTypeSign   = "0.4.0.1862.1.6.1"
	oidQCTypeSeal   = "0.4.0.1862.1.6.2"
	oidQCUA         = algo.UA + ".2.1"
	oidPolicyUA     = algo.UA + ".2.2"
	oidEKUTSA       = "1.3.6.1.5.5.7.3.8"
	oidEKUOCSP      = "1.3.6.1.5.5.7.3.9"
	oidEKUSeal      = algo.UA + ".3.9"
)

// Issue makes a certificate for the public half of key. A nil issuer makes it
// self-signed.
func Issue(t Template, key *sign.Key, by *Issuer, random io.Reader) (*cert.Certificate, error) {
	spki, err := key.PublicKey()
	if err != nil {
		return nil, err
	}
	subjectKey, err := key.KeyID()
	if err != nil {
		return nil, err
	}
	serial := make([]byte, 20)
	if _, err := io.ReadFull(random, serial); err != nil {
		return nil, fmt.Errorf("making a serial number: %w", err)
	}
	serial[0] = serial[0]&0x7f | 0x40 // positive and always 20 octets
	subject := t.Subject.name()
	issuer, authorityKey, signer := subject, subjectKey, key
	if by != nil {
		issuer, authorityKey, signer = by.Certificate.Subject.Raw, by.Certificate.Ext.SubjectKeyID, by.Key
	}
	tbs := ber.Seq(
		ber.Wrap(0xa0, ber.EncodeSmall(2)), ber.EncodeInt(new(big.Int).SetBytes(serial)), signer.Algorithm(), issuer,
		ber.Seq(ber.EncodeTime(t.NotBefore.UTC()), ber.EncodeTime(t.NotAfter.UTC())),
		subject, spki, ber.Wrap(0xa3, ber.Seq(t.extensions(subjectKey, authorityKey)...)),
	)
	der, err := signed(tbs, signer, random)
	if err != nil {
		return nil, err
	}
	c, err := cert.Parse(der)
	if err != nil {
		return nil, fmt.Errorf("reading back what was issued: %w", err)
	}
	return c, nil
}

// signed wraps a to-be-signed structure: SEQUENCE { tbs, algorithm, BIT STRING }.
func signed(tbs []byte, key *sign.Key, random io.Reader) ([]byte, error) {
	value, err := key.SignBits(random, tbs)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return ber.Seq(tbs, key.Algorithm(), ber.EncodeBits(value)), nil
}

func (s Subject) name() []byte {
	var rdns [][]byte
	add := func(oid, value string) {
		if value == "" {
			return
		}
		v := ber.EncodeUTF8(value)
		if oid == oidC || oid == oidSerial || oid == oidOrgID {
			v = ber.EncodePrintable(value)
		}
		rdns = append(rdns, ber.SetOf(ber.Seq(ber.EncodeOID(oid), v)))
	}
	add(oidO, s.Organization)
	add(oidTitle, s.Title)
	add(oidCN, s.CommonName)
	add(oidSN, s.Surname)
	add(oidGiven, s.GivenName)
	if s.RNOKPP != "" {
		add(oidSerial, "TINUA-"+s.RNOKPP)
	}
	if s.EDRPOU != "" {
		add(oidOrgID, "NTRUA-"+s.EDRPOU)
	}
	add(oidC, "UA")
	add(oidL, s.Locality)
	return ber.Seq(rdns...)
}

func extension(oid string, critical bool, value []byte) []byte {
	var c []byte
	if critical {
		c = ber.EncodeBool(true)
	}
	return ber.Seq(ber.EncodeOID(oid), c, ber.EncodeOctets(value))
}

func (t Template) extensions(subjectKey, authorityKey []byte) [][]byte {
	// Key usage bits of the profile, always critical: C0 end entity, 06 CA.
	usage, ca := []byte{6, 0xc0}, false
	switch t.Profile {
	case Root, CA:
		usage, ca = []byte{1, 0x06}, true
	case Responder:
		usage = []byte{7, 0x80}
	}
	list := [][]byte{
		extension("2.5.29.14", false, ber.EncodeOctets(subjectKey)),
		extension("2.5.29.35", false, ber.Seq(ber.Wrap(0x80, authorityKey))),
		extension("2.5.29.15", true, ber.Wrap(ber.BitString, usage)),
	}
	var basic []byte
	if ca {
		basic = ber.EncodeBool(true)
		if t.Profile == CA {
			basic = append(basic, ber.EncodeSmall(0)...)
		}
	}
	list = append(list,
		extension("2.5.29.19", ca, ber.Seq(basic)),
		extension("2.5.29.32", false, ber.Seq(ber.Seq(ber.EncodeOID(oidPolicyUA)))),
	)
	switch t.Profile {
	case TSA:
		list = append(list, extension("2.5.29.37", true, ber.Seq(ber.EncodeOID(oidEKUTSA))))
	case Responder:
		list = append(list,
			extension("2.5.29.37", true, ber.Seq(ber.EncodeOID(oidEKUOCSP))),
			extension("1.3.6.1.5.5.7.48.1.5", false, ber.EncodeNull()))
	case Seal:
		list = append(list, extension("2.5.29.37", false, ber.Seq(ber.EncodeOID(oidEKUSeal))))
	}
	if t.Profile == Person || t.Profile == Seal {
		list = append(list, t.qualified(), t.directory())
	}
	if t.OCSP != "" {
		list = append(list, extension("1.3.6.1.5.5.7.1.1", false,
			ber.Seq(ber.Seq(ber.EncodeOID("1.3.6.1.5.5.7.48.1"), ber.Wrap(0x86, []byte(t.OCSP))))))
	}
	if t.CRL != "" {
		list = append(list, extension("2.5.29.31", false,
			ber.Seq(ber.Seq(ber.Wrap(0xa0, ber.Wrap(0xa0, ber.Wrap(0x86, []byte(t.CRL))))))))
	}
	return list
}

// qualified are the QC statements of EN 319 412-5 and the national one.
func (t Template) qualified() []byte {
	kind := oidQCTypeSign
	if t.Profile == Seal {
		kind = oidQCTypeSeal
	}
	statements := [][]byte{
		ber.Seq(ber.EncodeOID(oidQCCompliance)),
		ber.Seq(ber.EncodeOID(oidQCType), ber.Seq(ber.EncodeOID(kind))),
		ber.Seq(ber.EncodeOID(oidQCUA)),
	}
	if !t.Advanced {
		statements = append(statements, ber.Seq(ber.EncodeOID(oidQCSSCD)))
	}
	return extension(oidQC, true, ber.Seq(statements...))
}

// directory are the subjectDirectoryAttributes of eHealth-era certificates.
func (t Template) directory() []byte {
	var list [][]byte
	add := func(oid, value string) {
		if value != "" {
			list = append(list, ber.Seq(ber.EncodeOID(oid), ber.SetOf(ber.EncodePrintable(value))))
		}
	}
	add(algo.UA+".11.1.4.1.1", t.Subject.RNOKPP)
	add(algo.UA+".11.1.4.2.1", t.Subject.EDRPOU)
	add(algo.UA+".11.1.4.11.1", t.Subject.UNZR)
	if len(list) == 0 {
		return nil
	}
	return extension("2.5.29.9", false, ber.Seq(list...))
}
