package main

import (
	"context"
	"encoding/pem"
	"fmt"
	"os"
	"time"

	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/postgres"
	"mist/signature"
	"mist/signature/cert"
	"mist/signature/facts"
	"mist/signature/sign"

	"crypto/rand"
)

// SealConfig is the electronic seal of the National Health Service, which
// active declarations receive. Without key_file nothing is sealed.
type SealConfig struct {
	KeyFile  string `yaml:"key_file,omitempty"` // PKCS #8, DER or PEM
	CertFile string `yaml:"cert_file,omitempty"`
	// TSA is the time-stamp authority's address; empty: no time-stamp.
	TSA string `yaml:"tsa,omitempty"`
}

func (c SealConfig) check(add func(format string, args ...any)) {
	if (c.KeyFile == "") != (c.CertFile == "") {
		add("seal: key_file and cert_file are needed together")
	}
}

// nhsuSeal implements declaration.Sealer.
type nhsuSeal struct {
	signer sign.Signer
	tsa    sign.TSA
	now    func() time.Time
	// verifier makes seals of packages level LT; nil leaves them at T.
	verifier *signature.Verifier
}

// Seal implements declaration.Sealer: the doctor's container becomes the
// content of another one, as ЕСОЗ nests signatures.
func (n *nhsuSeal) Seal(ctx context.Context, content []byte) ([]byte, error) {
	return sign.CAdES(ctx, n.signer, facts.Bytes(content), sign.Options{Time: n.now(), TSA: n.tsa})
}

// open is nil when no seal is configured.
func (c SealConfig) open(sandboxed bool, source registry.Source) (*nhsuSeal, error) {
	if c.KeyFile == "" {
		return nil, nil
	}
	text, err := readKeyFile(c.KeyFile, sandboxed)
	if err != nil {
		return nil, err
	}
	key, err := sign.ParseKey([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", c.KeyFile, err)
	}
	b, err := os.ReadFile(c.CertFile)
	if err != nil {
		return nil, fmt.Errorf("reading the seal's certificate: %w", err)
	}
	if block, _ := pem.Decode(b); block != nil {
		b = block.Bytes
	}
	x, err := cert.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", c.CertFile, err)
	}
	if err := key.Fits(x, rand.Reader); err != nil {
		return nil, &failure{exitUsage, fmt.Errorf("seal.key_file does not belong to seal.cert_file: %w", err)}
	}
	seal := &nhsuSeal{signer: sign.Signer{Key: key, Certificate: x.Raw}, now: source.Now}
	if c.TSA != "" {
		seal.tsa = tsaClient(c.TSA)
	}
	return seal, nil
}

// newSeals is nil when no seal is configured.
func (s *server) newSeals(store *postgres.Store) (*declaration.Seals, error) {
	seal, err := s.cfg.Seal.open(s.cfg.Profile == profileSandbox, s.source)
	if err != nil || seal == nil {
		return nil, err
	}
	return declaration.NewSeals(postgres.NewPort[declaration.SealTx](store), seal, s.source)
}
