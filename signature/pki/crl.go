package pki

import (
	"io"
	"math/big"
	"time"

	"mist/signature/internal/ber"
)

// Revocation is one row of a CRL.
type Revocation struct {
	Serial *big.Int
	At     time.Time
}

// CRL is a revocation list to be issued (RFC 5280, 5).
type CRL struct {
	Number     int
	DeltaBase  int // 0: a full list
	ThisUpdate time.Time
	NextUpdate time.Time
	Revoked    []Revocation
}

// IssueCRL signs the list with the authority's key.
func IssueCRL(l CRL, by Issuer, random io.Reader) ([]byte, error) {
	var rows [][]byte
	for _, r := range l.Revoked {
		rows = append(rows, ber.Seq(ber.EncodeInt(r.Serial), ber.EncodeTime(r.At.UTC())))
	}
	var list []byte
	if len(rows) > 0 {
		list = ber.Seq(rows...)
	}
	extensions := [][]byte{
		extension("2.5.29.35", false, ber.Seq(ber.Wrap(0x80, by.Certificate.Ext.SubjectKeyID))),
		extension("2.5.29.20", false, ber.EncodeSmall(l.Number)),
	}
	if l.DeltaBase > 0 {
		extensions = append(extensions, extension("2.5.29.27", true, ber.EncodeSmall(l.DeltaBase)))
	}
	tbs := ber.Seq(
		ber.EncodeSmall(1), by.Key.Algorithm(), by.Certificate.Subject.Raw,
		ber.EncodeTime(l.ThisUpdate.UTC()), ber.EncodeTime(l.NextUpdate.UTC()), list,
		ber.Wrap(0xa0, ber.Seq(extensions...)),
	)
	return signed(tbs, by.Key, random)
}
