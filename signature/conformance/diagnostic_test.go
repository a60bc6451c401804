package conformance

import (
	"encoding/base64"
	"encoding/xml"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature/facts"
)

// The types below are the parts of the DSS diagnostic data that judgement
// looks at; names are those of its schema.

type diagnostic struct {
	DocumentName   string
	ValidationDate string
	ContainerInfo  *struct {
		ContainerType       string
		MimeTypeFilePresent bool
		MimeTypeContent     string
		ContentFiles        []string `xml:"ContentFiles>ContentFile"`
		ManifestFiles       []struct {
			Filename          string
			SignatureFilename string
			Entries           []string `xml:"Entries>Entry"`
		} `xml:"ManifestFiles>ManifestFile"`
	}
	Signatures   []diagSignature   `xml:"Signatures>Signature"`
	Certificates []diagCertificate `xml:"UsedCertificates>Certificate"`
	Revocations  []diagRevocation  `xml:"UsedRevocations>Revocation"`
	Timestamps   []diagTimestamp   `xml:"UsedTimestamps>Timestamp"`
	Orphans      []struct {
		ID string `xml:"Id,attr"`
	} `xml:"OrphanTokens>OrphanRevocations>OrphanRevocation"`
}

type basicSignature struct {
	Encryption string `xml:"EncryptionAlgoUsedToSignThisToken"`
	Bits       string `xml:"KeyLengthUsedToSignThisToken"`
	Digest     string `xml:"DigestAlgoUsedToSignThisToken"`
	Mask       string `xml:"MaskGenerationFunctionUsedToSignThisToken"`
	Intact     bool   `xml:"SignatureIntact"`
	Valid      bool   `xml:"SignatureValid"`
}

type digestMatcher struct {
	Type      string `xml:"type,attr"`
	Name      string `xml:"uri,attr"`
	Duplicate bool   `xml:"duplicated,attr"`
	Method    string `xml:"DigestMethod"`
	Found     bool   `xml:"DataFound"`
	Intact    bool   `xml:"DataIntact"`
}

type certRef struct {
	Origin string
	Digest *struct {
		Match bool `xml:"match,attr"`
	} `xml:"DigestAlgoAndValue"`
	IssuerSerial *struct {
		Match bool `xml:"match,attr"`
	}
	SerialInfo *struct {
		Current bool `xml:"Current,attr"`
	}
}

type foundCertificates struct {
	Related []struct {
		ID   string    `xml:"Certificate,attr"`
		Refs []certRef `xml:"CertificateRef"`
	} `xml:"RelatedCertificate"`
	Orphan []struct {
		ID   string    `xml:"Token,attr"`
		Refs []certRef `xml:"CertificateRef"`
	} `xml:"OrphanCertificate"`
}

type refID struct {
	Certificate string `xml:"Certificate,attr"`
	Revocation  string `xml:"Revocation,attr"`
	Timestamp   string `xml:"Timestamp,attr"`
	Key         string `xml:"Key,attr"`
	Match       string `xml:"match,attr"`
}

type diagSignature struct {
	ID               string `xml:"Id,attr"`
	CounterSignature string `xml:"CounterSignature,attr"`
	Duplicated       bool   `xml:"Duplicated,attr"`
	Parent           *struct {
		ID string `xml:"Signature,attr"`
	} `xml:"Parent"`
	SignatureFilename    string
	ErrorMessage         string
	ClaimedSigningTime   string
	SignatureFormat      string
	StructuralValidation *struct {
		Valid bool `xml:"valid,attr"`
	}
	DigestMatchers     []digestMatcher `xml:"DigestMatchers>DigestMatcher"`
	BasicSignature     basicSignature
	SigningCertificate *refID
	Chain              []refID `xml:"CertificateChain>ChainItem"`
	Policy             *struct {
		ID         string `xml:"Id"`
		Identified bool
		Digest     *struct {
			Match bool `xml:"match,attr"`
		} `xml:"DigestAlgoAndValue"`
	}
	FoundTimestamps   []refID `xml:"FoundTimestamps>FoundTimestamp"`
	FoundCertificates foundCertificates
	SignatureScopes   []struct {
		Scope string
		Name  string
	} `xml:"SignatureScopes>SignatureScope"`
	SignerInfos []struct {
		Current bool `xml:"Current,attr"`
	} `xml:"SignerInformationStore>SignerInfo"`
}

type diagTimestamp struct {
	ID                 string `xml:"Id,attr"`
	Type               string `xml:"Type,attr"`
	ArchiveType        string `xml:"ArchiveTimestampType"`
	ProductionTime     string
	DigestMatchers     []digestMatcher `xml:"DigestMatcher"`
	BasicSignature     basicSignature
	SigningCertificate *refID
	Chain              []refID `xml:"CertificateChain>ChainItem"`
	FoundCertificates  foundCertificates
	TSAGeneralName     *struct {
		ContentMatch bool   `xml:"contentMatch,attr"`
		Value        string `xml:",chardata"`
	}
	Objects []struct {
		Token    string `xml:"Token,attr"`
		Category string `xml:"Category,attr"`
	} `xml:"TimestampedObjects>TimestampedObject"`
}

type diagCertificate struct {
	ID              string   `xml:"Id,attr"`
	Subject         []string `xml:"SubjectDistinguishedName"`
	Issuer          []string `xml:"IssuerDistinguishedName"`
	Serial          string   `xml:"SerialNumber"`
	NotBefore       string
	NotAfter        string
	KeyAlgo         string `xml:"PublicKeyEncryptionAlgo"`
	KeySize         int    `xml:"PublicKeySize"`
	Pseudonym       string
	SelfSigned      bool
	IssuerEntityKey *struct {
		Key         *bool `xml:"key,attr"`
		SubjectName *bool `xml:"subjectName,attr"`
	}
	BasicSignature     basicSignature
	SigningCertificate *refID
	Chain              []refID `xml:"CertificateChain>ChainItem"`
	Trusted            struct {
		Value  string `xml:",chardata"`
		Start  string `xml:"startDate,attr"`
		Sunset string `xml:"sunsetDate,attr"`
	}
	Ext struct {
		KeyUsages *struct {
			OID      string   `xml:"OID,attr"`
			Critical bool     `xml:"critical,attr"`
			Bits     []string `xml:"keyUsageBit"`
		}
		ExtendedKeyUsages *struct {
			OID      string   `xml:"OID,attr"`
			Critical bool     `xml:"critical,attr"`
			OIDs     []string `xml:"extendedKeyUsageOid"`
		}
		BasicConstraints *struct {
			CA      bool   `xml:"CA,attr"`
			PathLen string `xml:"pathLenConstraint,attr"`
		}
		SKI *struct {
			Value string `xml:"ski"`
		} `xml:"SubjectKeyIdentifier"`
		AKI *struct {
			Value string `xml:"keyIdentifier"`
		} `xml:"AuthorityKeyIdentifier"`
		AIA *struct {
			OCSP []string `xml:"ocspUrl"`
			CA   []string `xml:"caIssuersUrl"`
		} `xml:"AuthorityInformationAccess"`
		CRL *struct {
			URL []string `xml:"crlUrl"`
		} `xml:"CRLDistributionPoints"`
		NoCheck *struct {
			Present bool `xml:"present,attr"`
		} `xml:"IdPkixOcspNoCheck"`
		NoRevAvail *struct {
			Present bool `xml:"present,attr"`
		}
		ShortTerm *struct{} `xml:"ValAssuredShortTermCertificate"`
	} `xml:"CertificateExtensions"`
	Revocations []struct {
		Revocation     string `xml:"Revocation,attr"`
		Status         string
		Reason         string
		RevocationDate string
	} `xml:"Revocations>CertificateRevocation"`
}

type diagRevocation struct {
	ID                       string `xml:"Id,attr"`
	Type                     string
	Origin                   string
	ProductionDate           string
	ThisUpdate               string
	NextUpdate               string
	ExpiredCertsOnCRL        string
	ArchiveCutOff            string
	CertHashExtensionPresent bool
	CertHashExtensionMatch   bool
	BasicSignature           basicSignature
	SigningCertificate       *refID
	Chain                    []refID `xml:"CertificateChain>ChainItem"`
	FoundCertificates        foundCertificates
	ResponderIDMatch         *bool `xml:"-"`
}

func diagTime(t *testing.T, s string) *time.Time {
	if s == "" {
		return nil
	}
	v, err := time.Parse(time.RFC3339, s)
	require.NoError(t, err)
	return facts.TimePtr(v)
}

func must(p *time.Time) time.Time {
	if p == nil {
		return time.Time{}
	}
	return *p
}

func (b basicSignature) algorithm() facts.Algorithm {
	bits, _ := strconv.Atoi(b.Bits)
	enc := b.Encryption
	if b.Mask != "" && enc == "RSA" {
		enc = "RSASSA-PSS"
	}
	return facts.Algorithm{Encryption: enc, Digest: b.Digest, KeyBits: bits}
}

func (b basicSignature) outcome() facts.Outcome {
	if b.Intact {
		return facts.OutcomeGood
	}
	return facts.OutcomeBad
}

func chainIDs(list []refID) []string {
	out := []string{}
	for _, c := range list {
		out = append(out, c.Certificate)
	}
	return out
}

func signerOf(sc *refID, found foundCertificates) facts.SigningCertificate {
	var out facts.SigningCertificate
	if sc != nil {
		out.Certificate = sc.Certificate
	}
	out.SignerInfoMatch = true
	read := func(id string, refs []certRef) {
		for _, r := range refs {
			if r.Origin != "SIGNING_CERTIFICATE" {
				continue
			}
			if out.References == 0 || id == out.Certificate {
				out.DigestPresent = r.Digest != nil
				out.DigestMatch = r.Digest != nil && r.Digest.Match && id == out.Certificate
				out.IssuerSerialGiven = r.IssuerSerial != nil
				out.IssuerSerialMatch = r.IssuerSerial != nil && r.IssuerSerial.Match
			}
			out.References++
			out.ReferencePresent = true
		}
	}
	for _, c := range found.Related {
		read(c.ID, c.Refs)
	}
	for _, c := range found.Orphan {
		read(c.ID, c.Refs)
	}
	return out
}

func matches(list []digestMatcher) []facts.DigestMatch {
	out := []facts.DigestMatch{}
	for _, d := range list {
		out = append(out, facts.DigestMatch{Kind: d.Type, Name: d.Name, Algorithm: d.Method, Found: d.Found, Intact: d.Intact, Duplicate: d.Duplicate})
	}
	return out
}

var stampTypes = map[string]string{
	"CONTENT_TIMESTAMP": facts.TimestampContent, "ALL_DATA_OBJECTS_TIMESTAMP": facts.TimestampContent,
	"INDIVIDUAL_DATA_OBJECTS_TIMESTAMP": facts.TimestampContent, "SIGNATURE_TIMESTAMP": facts.TimestampSignature,
	"VALIDATION_DATA_TIMESTAMP": facts.TimestampValidation, "VALIDATION_DATA_REFSONLY_TIMESTAMP": facts.TimestampValidation,
	"ARCHIVE_TIMESTAMP": facts.TimestampArchive, "CONTAINER_TIMESTAMP": facts.TimestampContainer,
	"DOCUMENT_TIMESTAMP": facts.TimestampDocument, "VRI_TIMESTAMP": facts.TimestampSignature,
	"EVIDENCE_RECORD_TIMESTAMP": facts.TimestampEvidence,
}

// readDiagnostic makes facts of a diagnostic data file.
func readDiagnostic(t *testing.T, file string) (*facts.Facts, time.Time) {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	var d diagnostic
	require.NoError(t, xml.Unmarshal(b, &d), file)
	f := &facts.Facts{Version: facts.Version, Document: facts.Document{Name: d.DocumentName}, UnsignedParts: []string{}}
	if c := d.ContainerInfo; c != nil {
		f.Container = &facts.Container{Type: c.ContainerType, MimetypePresent: c.MimeTypeFilePresent, Mimetype: strings.TrimSpace(c.MimeTypeContent), ContentFiles: c.ContentFiles}
		for _, m := range c.ManifestFiles {
			f.Container.Manifests = append(f.Container.Manifests, facts.Manifest{Name: m.Filename, SignatureName: m.SignatureFilename, Entries: m.Entries})
		}
	}
	for _, s := range d.Signatures {
		x := facts.Signature{
			ID: s.ID, Name: s.SignatureFilename, Format: strings.SplitN(s.SignatureFormat, "-", 2)[0], Level: s.SignatureFormat,
			Algorithm: s.BasicSignature.algorithm(), SignatureValue: s.BasicSignature.outcome(), Digests: matches(s.DigestMatchers),
			SigningCertificate: signerOf(s.SigningCertificate, s.FoundCertificates), Chain: chainIDs(s.Chain),
			ClaimedSigningTime: diagTime(t, s.ClaimedSigningTime), MessageDigest: true,
			StructureValid: s.StructuralValidation == nil || s.StructuralValidation.Valid, Scopes: []facts.Scope{},
		}
		if s.Parent != nil {
			x.Parent = s.Parent.ID
		}
		x.MessageDigest = slices.ContainsFunc(s.DigestMatchers, func(m digestMatcher) bool {
			return m.Type == "MESSAGE_DIGEST" || m.Type == "SIGNED_PROPERTIES" || m.Type == "COUNTER_SIGNED_SIGNATURE_VALUE"
		})
		if s.Duplicated {
			x.Problems = append(x.Problems, facts.Problem{Code: facts.ProblemAmbiguous})
		}
		if n := len(s.SignerInfos); n > 1 && strings.HasPrefix(s.SignatureFormat, "PAdES") {
			x.Problems = append(x.Problems, facts.Problem{Code: facts.ProblemAmbiguous})
		}
		if s.Policy != nil {
			x.Policy = &facts.SignaturePolicy{ID: s.Policy.ID, Identified: s.Policy.Identified, HashMatch: s.Policy.Digest != nil && s.Policy.Digest.Match}
		}
		for _, sc := range s.SignatureScopes {
			x.Scopes = append(x.Scopes, facts.Scope{Kind: sc.Scope, Name: sc.Name})
		}
		for _, ts := range s.FoundTimestamps {
			x.Timestamps = append(x.Timestamps, ts.Timestamp)
		}
		f.Signatures = append(f.Signatures, x)
	}
	for _, s := range d.Timestamps {
		x := facts.Timestamp{
			ID: s.ID, Type: stampTypes[s.Type], ArchiveType: s.ArchiveType, Time: must(diagTime(t, s.ProductionTime)),
			Algorithm: s.BasicSignature.algorithm(), SignatureValue: s.BasicSignature.outcome(),
			Signer: signerOf(s.SigningCertificate, s.FoundCertificates), Chain: chainIDs(s.Chain),
		}
		require.NotEmpty(t, x.Type, s.Type)
		for i, m := range matches(s.DigestMatchers) {
			if i == 0 {
				x.Imprint = m
			} else {
				x.MoreDigests = append(x.MoreDigests, m)
			}
		}
		if s.TSAGeneralName != nil {
			m := s.TSAGeneralName.ContentMatch
			x.TSANameMatch = &m
		}
		for _, o := range s.Objects {
			x.Covers = append(x.Covers, o.Token)
		}
		f.Timestamps = append(f.Timestamps, x)
	}
	for _, c := range d.Certificates {
		f.Certificates = append(f.Certificates, diagCert(t, c))
	}
	for _, r := range d.Revocations {
		x := facts.Revocation{
			ID: r.ID, Kind: r.Type, Origin: r.Origin, ProducedAt: must(diagTime(t, r.ProductionDate)),
			ThisUpdate: diagTime(t, r.ThisUpdate), NextUpdate: diagTime(t, r.NextUpdate),
			Algorithm: r.BasicSignature.algorithm(), SignatureValue: r.BasicSignature.outcome(), Chain: chainIDs(r.Chain),
			Authorised: true, ResponderMatch: true,
			ExpiredCerts: diagTime(t, r.ExpiredCertsOnCRL), ArchiveCutOff: diagTime(t, r.ArchiveCutOff),
		}
		if r.SigningCertificate != nil {
			x.Signer = r.SigningCertificate.Certificate
		}
		if r.CertHashExtensionPresent {
			m := r.CertHashExtensionMatch
			x.CertHash = &m
		}
		f.Revocations = append(f.Revocations, x)
	}
	return f, must(diagTime(t, d.ValidationDate))
}

func diagCert(t *testing.T, c diagCertificate) facts.Certificate {
	x := facts.Certificate{
		ID: c.ID, Serial: c.Serial, NotBefore: must(diagTime(t, c.NotBefore)), NotAfter: must(diagTime(t, c.NotAfter)),
		Key: facts.Algorithm{Encryption: c.KeyAlgo, KeyBits: c.KeySize}, Algorithm: c.BasicSignature.algorithm(),
		Signature: c.BasicSignature.outcome(), SelfSign: c.SelfSigned, Chain: chainIDs(c.Chain), IssuerNameMatch: true,
	}
	if len(c.Subject) > 0 {
		x.Subject = c.Subject[0]
	}
	if len(c.Issuer) > 0 {
		x.Issuer = c.Issuer[0]
	}
	if k := c.IssuerEntityKey; k != nil && k.SubjectName != nil {
		x.IssuerNameMatch = *k.SubjectName
	}
	if c.SigningCertificate != nil {
		x.IssuerID = c.SigningCertificate.Certificate
	}
	x.Identity.Pseudonym = c.Pseudonym
	if strings.TrimSpace(c.Trusted.Value) == "true" {
		x.Trusted = []facts.Trust{{Source: "diagnostic data", From: diagTime(t, c.Trusted.Start), Until: diagTime(t, c.Trusted.Sunset)}}
	}
	e := &x.Ext
	if k := c.Ext.KeyUsages; k != nil {
		e.KeyUsagePresent, e.KeyUsage = true, k.Bits
		e.All = append(e.All, k.OID)
	}
	if k := c.Ext.ExtendedKeyUsages; k != nil {
		e.ExtKeyUsage, e.ExtKeyUsageCritical = k.OIDs, k.Critical
		e.All = append(e.All, k.OID)
	}
	if bc := c.Ext.BasicConstraints; bc != nil {
		e.BasicConstraints, e.CA = true, bc.CA
		if n, err := strconv.Atoi(bc.PathLen); err == nil {
			e.PathLen = &n
		}
	}
	decode := func(s string) []byte { v, _ := base64.StdEncoding.DecodeString(s); return v }
	if k := c.Ext.SKI; k != nil {
		e.SubjectKeyID = decode(k.Value)
	}
	if k := c.Ext.AKI; k != nil {
		e.AuthorityKeyID = decode(k.Value)
	}
	if k := c.Ext.AIA; k != nil {
		e.OCSP, e.CAIssuers = k.OCSP, k.CA
	}
	if k := c.Ext.CRL; k != nil {
		e.CRL = k.URL
	}
	if k := c.Ext.NoCheck; k != nil && k.Present {
		e.OCSPNoCheck = true
		e.All = append(e.All, "1.3.6.1.5.5.7.48.1.5")
	}
	if k := c.Ext.NoRevAvail; k != nil && k.Present {
		e.NoRevAvail = true
		e.All = append(e.All, "2.5.29.56")
	}
	if c.Ext.ShortTerm != nil {
		e.ShortTerm = true
		e.All = append(e.All, "0.4.0.194121.2.1")
	}
	for _, r := range c.Revocations {
		info := facts.CertificateInfo{Revocation: r.Revocation, Reason: r.Reason, RevokedAt: diagTime(t, r.RevocationDate)}
		switch r.Status {
		case "GOOD":
			info.Status = facts.StatusGood
		case "REVOKED":
			info.Status = facts.StatusRevoked
		default:
			info.Status = facts.StatusUnknown
		}
		x.Revocation = append(x.Revocation, info)
	}
	return x
}
