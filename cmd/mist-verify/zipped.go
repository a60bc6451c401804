package main

import (
	"path/filepath"
	"strings"

	"mist/signature"
	"mist/signature/asic"
	"mist/signature/facts"
)

// maxZipped is the largest signed file read out of a plain zip archive.
const maxZipped = 64 << 20

// zipped verifies the signed files in a plain zip archive, each for itself;
// detached ones take the file beside them. It says whether there was one.
func (c *verifyCommand) zipped(e *env, v *signature.Verifier, p signature.Policy, in signature.Input, name string) bool {
	files, err := asic.Files(in.Document)
	if err != nil {
		return false
	}
	byName := map[string]facts.Source{}
	for _, f := range files {
		byName[f.Name] = f.Source
	}
	found := false
	for _, f := range files {
		b, err := facts.ReadAll(f.Source, maxZipped)
		if err != nil {
			continue
		}
		one := signature.Input{ID: in.ID + "/" + f.Name, Name: filepath.Base(f.Name), Document: facts.Bytes(b), Keys: in.Keys, Time: in.Time}
		r, err := v.Verify(e.ctx, one, p)
		if err == nil && r.Indication == signature.NoSignatureFound || err != nil && !looksSigned(f.Name) {
			continue // a document, not a signature
		}
		if beside, ok := byName[signedName(f.Name)]; ok && err == nil && lacksContent(r) {
			one.Content = map[string]facts.Source{"": beside}
			r, err = v.Verify(e.ctx, one, p)
		}
		found = true
		e.exit = gravest(e.exit, exitOf(r, err))
		c.report(e, name+"/"+f.Name, r, err)
	}
	return found
}

// signedExtensions are those of signatures that stand beside their file.
var signedExtensions = []string{".p7s", ".sig", ".sign", ".p7m"}

func looksSigned(name string) bool { return signedName(name) != "" }

// signedName is the name of the file a detached signature is over; "" when the
// name is not that of a signature.
func signedName(name string) string {
	for _, ext := range signedExtensions {
		if base, found := strings.CutSuffix(name, ext); found {
			return base
		}
	}
	return ""
}
