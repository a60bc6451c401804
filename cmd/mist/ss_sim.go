package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mist/registry"
	"mist/signature/gost34311"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/soap/xroad"
	"mist/soap/xroad/sstest"
	"mist/wsdl"
)

type ssSimCommand struct {
	Listen   string `default:"127.0.0.1:8090" help:"Address for clients."`
	Provider string `required:"" help:"Address of the provider behind the simulated security servers."`
	Registry string `help:"Address of the operations of the registry's contract (wsdl/registry.wsdl); without it they are at --provider, too."`
	Trembita bool   `help:"Follow Trembita's rules instead of the stock server's: SOAP 1.2, GOST 34.311, ASiC-S."`
	Archive  string `help:"Keep every exchange in this folder as sealed containers, for mist reconcile and mist-verify exchange. The root of the seals is put into its folder trust." placeholder:"DIR"`
	TSA      string `name:"tsa" help:"Address of a time-stamping authority for the seals." placeholder:"URL"`
}

// Run implements the command.
func (c *ssSimCommand) Run(e env) error {
	l, err := bind("listen", c.Listen)
	if err != nil {
		return err
	}
	registryServices := map[string]bool{}
	if c.Registry != "" {
		contract, err := wsdl.Load("registry")
		if err != nil {
			return err
		}
		for _, code := range contract.Operations {
			registryServices[code] = true
		}
	}
	sim := &sstest.Server{
		HTTP: &http.Client{Timeout: time.Minute},
		Resolve: func(s xroad.ServiceID) (string, bool) {
			if registryServices[s.Code] {
				return c.Registry, true
			}
			return strings.TrimSuffix(c.Provider, "/") + "/", true
		},
	}
	if c.Trembita {
		sim.Profile, sim.Algorithm = sstest.Trembita, xroad.AlgorithmGOST34311
		sim.Hash = func(b []byte) []byte { sum := gost34311.Sum256(b); return sum[:] }
	}
	if c.Archive != "" {
		archive, err := c.openArchive(registry.SystemSource())
		if err != nil {
			return err
		}
		sim.Exchanged = archive.Keep
	}
	all := &endpoints{limits: defaultConfig().Limits, log: newLogger(e)}
	all.add("ss-sim", l, sim)
	fmt.Fprintf(e.stdout, "simulated security server: http://%s → %s\n", l.Addr(), c.Provider)
	return all.serve(e.ctx)
}

// openArchive makes two servers' seals under a root of their own, which it puts beside the archive: the seals prove
// nothing to anybody who was not told to trust it.
func (c *ssSimCommand) openArchive(source registry.Source) (*sstest.Archive, error) {
	kind := sign.KindRSA2048
	if c.Trembita {
		kind = sign.KindDSTU257
	}
	now := source.Now()
	issue := func(p pki.Profile, name string, by *pki.Issuer) (pki.Issuer, error) {
		key, err := sign.GenerateKey(kind, source.Random)
		if err != nil {
			return pki.Issuer{}, fmt.Errorf("making a seal: %w", err)
		}
		t := pki.Template{Profile: p, Subject: pki.Subject{CommonName: name, Organization: "ss-sim"}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0)}
		certificate, err := pki.Issue(t, key, by, source.Random)
		if err != nil {
			return pki.Issuer{}, fmt.Errorf("making a seal: %w", err)
		}
		return pki.Issuer{Certificate: certificate, Key: key}, nil
	}
	root, err := issue(pki.Root, "ss-sim: test root", nil)
	if err != nil {
		return nil, err
	}
	trust := filepath.Join(c.Archive, "trust")
	if err := os.MkdirAll(trust, 0o700); err != nil {
		return nil, fmt.Errorf("making the archive: %w", err)
	}
	// A second run adds its own root: containers of the first stay provable.
	name := "root-" + now.Format("20060102T150405.000000") + ".cer"
	if err := os.WriteFile(filepath.Join(trust, name), root.Certificate.Raw, 0o600); err != nil {
		return nil, fmt.Errorf("making the archive: %w", err)
	}
	archive := &sstest.Archive{Dir: c.Archive, Now: source.Now}
	if c.Trembita {
		archive.Profile = sstest.Trembita
	}
	for name, to := range map[string]*sign.Signer{"client": &archive.Client, "provider": &archive.Provider} {
		seal, err := issue(pki.Seal, "ss-sim: "+name+"'s security server", &root)
		if err != nil {
			return nil, err
		}
		*to = sign.Signer{Key: seal.Key, Certificate: seal.Certificate.Raw, Chain: [][]byte{root.Certificate.Raw}}
	}
	if c.TSA == "" {
		return archive, nil
	}
	// With a time-stamp the seals carry their own revocation data, as Trembita's do (X-Long).
	archive.Stamp = tsaClient(c.TSA)
	list, err := pki.IssueCRL(pki.CRL{Number: 1, ThisUpdate: now, NextUpdate: now.AddDate(1, 0, 0)}, root, source.Random)
	if err != nil {
		return nil, fmt.Errorf("making the list of revoked seals: %w", err)
	}
	archive.CRLs = [][]byte{list}
	return archive, nil
}
