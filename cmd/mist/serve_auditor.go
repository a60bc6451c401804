package main

import (
	"context"
	"maps"
	"slices"
	"strings"

	"mist/portal/auditor"
	"mist/portal/web"
	"mist/registry/access"
	"mist/registry/audit"
	"mist/registry/evidence"
	"mist/registry/postgres"
	"mist/registry/trail"
	"mist/signature/facts"
	"mist/signature/sign"
)

// addAuditorPages puts /audit among the pages where a client for it is configured.
func (s *server) addAuditorPages(kit *web.Kit, login *access.Service, logKey string, proofs *evidence.Service, exports *trail.Exports, trusted auditor.Trust) error {
	if s.cfg.REST.AuditorClient == "" {
		return nil
	}
	verifier, err := audit.ReadVerifier(logKey)
	if err != nil {
		return err
	}
	reading, err := trail.New(trail.Config{Store: postgres.NewPort[trail.Tx](s.store).Everywhere(), Log: s.store, Key: verifier, Clock: s.source.Clock})
	if err != nil {
		return err
	}
	base := s.url("rest", s.cfg.REST.ListenConfig)
	c := auditor.Config{
		Login: login, Trail: reading, Log: s.store, Exports: exports, Evidence: proofs, Trust: trusted, ClientID: s.cfg.REST.AuditorClient, Clock: s.source.Clock,
		LogKey: logKey, LogURL: base + "/log", Quorum: s.cfg.Log.Quorum, Secure: strings.HasPrefix(base, "https://"),
	}
	for _, w := range s.cfg.Log.Witnesses {
		key, err := audit.ReadWitnessKey(w.Key)
		if err != nil {
			return err
		}
		c.Witnesses = append(c.Witnesses, auditor.Witness{Organisation: w.Organisation, Text: w.Key, Key: key})
	}
	return auditor.Add(kit, c)
}

// newExports makes the service of auditors' exports; its manifests carry the
// seal where one is configured.
func (s *server) newExports(seal evidence.Sealer) (*trail.Exports, error) {
	c := trail.ExportConfig{Store: postgres.NewPort[trail.ExportTx](s.store).Everywhere(), Log: s.store,
		Source: s.source, Batch: trail.DefaultExportBatch, Life: trail.DefaultExportLife}
	if seal != nil {
		c.Sealer = manifestSeal{seal}
	}
	return trail.NewExports(c)
}

// manifestSeal sets the seal over a few named files.
type manifestSeal struct{ evidence.Sealer }

// SealManifest implements trail.ManifestSealer.
func (m manifestSeal) SealManifest(ctx context.Context, files map[string][]byte) ([]byte, error) {
	var list []sign.DataObject
	for _, name := range slices.Sorted(maps.Keys(files)) {
		list = append(list, sign.DataObject{Name: name, MediaType: "application/octet-stream", Content: facts.Bytes(files[name])})
	}
	return m.SealPackage(ctx, list)
}
