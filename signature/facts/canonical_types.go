package facts

// One method for each type, fields in the order of the struct.

func (w *writer) document(d *Document) {
	w.open()
	w.optional("name", d.Name)
	w.text("format", d.Format)
	w.number("size", d.Size)
	w.bytes("sha256", d.SHA256)
	w.close()
}

func (w *writer) container(c *Container) {
	w.open()
	w.text("type", c.Type)
	w.flag("mimetypePresent", c.MimetypePresent)
	w.optional("mimetype", c.Mimetype)
	w.flag("mimetypeFirst", c.MimetypeFirst)
	w.optional("zipComment", c.ZipComment)
	w.strings("contentFiles", c.ContentFiles)
	optionalList(w, "manifests", c.Manifests, (*writer).manifest)
	w.close()
}

func (w *writer) manifest(m *Manifest) {
	w.open()
	w.text("name", m.Name)
	w.optional("signatureName", m.SignatureName)
	w.strings("entries", m.Entries)
	w.close()
}

func (w *writer) problems(name string, v []Problem) { optionalList(w, name, v, (*writer).problem) }

func (w *writer) problem(p *Problem) {
	w.open()
	w.text("code", string(p.Code))
	w.optional("detail", p.Detail)
	w.close()
}

func (w *writer) scope(s *Scope) {
	w.open()
	w.text("kind", s.Kind)
	w.optional("name", s.Name)
	w.optional("mediaType", s.MediaType)
	w.optionalStrings("transforms", s.Transforms)
	w.number("size", s.Size)
	w.optionalBytes("sha256", s.SHA256)
	w.close()
}

func (w *writer) algorithm(name string, a *Algorithm) {
	w.key(name)
	w.open()
	w.text("encryption", a.Encryption)
	w.text("digest", a.Digest)
	w.number("keyBits", int64(a.KeyBits))
	w.optional("curve", a.Curve)
	w.close()
}

func (w *writer) match(d *DigestMatch) {
	w.open()
	w.text("kind", d.Kind)
	w.optional("name", d.Name)
	w.optional("algorithm", d.Algorithm)
	w.flag("found", d.Found)
	w.flag("intact", d.Intact)
	w.optionalFlag("duplicate", d.Duplicate)
	w.close()
}

func (w *writer) signingCertificate(name string, s *SigningCertificate) {
	w.key(name)
	w.open()
	w.optional("certificate", s.Certificate)
	w.flag("referencePresent", s.ReferencePresent)
	w.number("references", int64(s.References))
	w.flag("digestPresent", s.DigestPresent)
	w.flag("digestMatch", s.DigestMatch)
	w.optional("digestAlgorithm", s.DigestAlgorithm)
	w.flag("issuerSerialGiven", s.IssuerSerialGiven)
	w.flag("issuerSerialMatch", s.IssuerSerialMatch)
	w.flag("signerInfoMatch", s.SignerInfoMatch)
	w.optionalFlag("ambiguous", s.Ambiguous)
	w.optionalFlag("chainRefs", s.ChainRefs)
	w.close()
}

func (w *writer) signaturePolicy(p *SignaturePolicy) {
	w.open()
	w.optional("id", p.ID)
	w.optional("url", p.URL)
	w.optionalFlag("implied", p.Implied)
	w.flag("identified", p.Identified)
	w.flag("hashMatch", p.HashMatch)
	w.optional("error", p.Error)
	w.close()
}

func (w *writer) signature(s *Signature) {
	w.open()
	w.text("id", s.ID)
	w.optional("parent", s.Parent)
	if s.Depth != 0 {
		w.number("depth", int64(s.Depth))
	}
	w.optional("name", s.Name)
	w.text("format", s.Format)
	w.text("level", s.Level)
	w.algorithm("algorithm", &s.Algorithm)
	w.text("signatureValue", string(s.SignatureValue))
	list(w, "digests", s.Digests, (*writer).match)
	w.signingCertificate("signingCertificate", &s.SigningCertificate)
	w.strings("chain", s.Chain)
	w.timePtr("claimedSigningTime", s.ClaimedSigningTime)
	w.optional("contentType", s.ContentType)
	w.optional("contentHints", s.ContentHints)
	w.optional("mediaType", s.MediaType)
	if s.Policy != nil {
		w.key("policy")
		w.signaturePolicy(s.Policy)
	}
	w.optionalStrings("commitmentTypes", s.CommitmentTypes)
	w.optionalStrings("claimedRoles", s.ClaimedRoles)
	w.flag("messageDigest", s.MessageDigest)
	w.optionalStrings("unsignedAttributes", s.UnsignedAttributes)
	w.flag("structureValid", s.StructureValid)
	w.optional("structureDetail", s.StructureDetail)
	w.problems("problems", s.Problems)
	list(w, "scopes", s.Scopes, (*writer).scope)
	w.optionalStrings("timestamps", s.Timestamps)
	w.optionalStrings("certificates", s.Certificates)
	w.optionalStrings("revocations", s.Revocations)
	w.optionalBytes("valueSHA256", s.ValueSHA256)
	w.close()
}

func (w *writer) timestamp(t *Timestamp) {
	w.open()
	w.text("id", t.ID)
	w.optional("signature", t.Signature)
	w.text("type", t.Type)
	w.optional("archiveType", t.ArchiveType)
	w.optionalStrings("covers", t.Covers)
	w.time("time", t.Time)
	w.key("imprint")
	w.match(&t.Imprint)
	optionalList(w, "moreDigests", t.MoreDigests, (*writer).match)
	w.algorithm("algorithm", &t.Algorithm)
	w.text("signatureValue", string(t.SignatureValue))
	w.signingCertificate("signer", &t.Signer)
	w.strings("chain", t.Chain)
	w.optional("tsaName", t.TSAName)
	w.flagPtr("tsaNameMatch", t.TSANameMatch)
	w.flagPtr("hashIndexValid", t.HashIndexValid)
	w.optional("policy", t.Policy)
	w.optional("serial", t.Serial)
	w.problems("problems", t.Problems)
	w.close()
}

func (w *writer) trust(t *Trust) {
	w.open()
	w.text("source", t.Source)
	w.strings("purposes", t.Purposes)
	w.timePtr("from", t.From)
	w.timePtr("until", t.Until)
	w.optional("service", t.Service)
	w.optional("type", t.Type)
	w.optional("status", t.Status)
	w.close()
}

func (w *writer) identity(i *Identity) {
	w.open()
	w.optional("commonName", i.CommonName)
	w.optional("surname", i.Surname)
	w.optional("givenName", i.GivenName)
	w.optional("title", i.Title)
	w.optional("organization", i.Organization)
	w.optional("unit", i.Unit)
	w.optional("country", i.Country)
	w.optional("region", i.Region)
	w.optional("locality", i.Locality)
	w.optional("email", i.Email)
	w.optional("pseudonym", i.Pseudonym)
	w.optional("serialNumber", i.SerialNumber)
	w.optional("rnokpp", i.RNOKPP)
	w.optional("rnokppForm", i.RNOKPPForm)
	w.optional("rnokppSource", i.RNOKPPSource)
	w.optional("edrpou", i.EDRPOU)
	w.optional("edrpouSource", i.EDRPOUSource)
	w.optional("unzr", i.UNZR)
	w.close()
}

func (w *writer) certificate(c *Certificate) {
	w.open()
	w.text("id", c.ID)
	w.text("subject", c.Subject)
	w.text("issuer", c.Issuer)
	w.text("serial", c.Serial)
	w.time("notBefore", c.NotBefore)
	w.time("notAfter", c.NotAfter)
	w.algorithm("key", &c.Key)
	w.algorithm("algorithm", &c.Algorithm)
	w.text("signature", string(c.Signature))
	w.optional("issuerId", c.IssuerID)
	w.optionalStrings("chain", c.Chain)
	w.optionalFlag("selfSigned", c.SelfSign)
	w.key("identity")
	w.identity(&c.Identity)
	optionalList(w, "trusted", c.Trusted, (*writer).trust)
	w.key("extensions")
	w.extensions(&c.Ext)
	w.flag("issuerNameMatch", c.IssuerNameMatch)
	optionalList(w, "revocation", c.Revocation, (*writer).certificateInfo)
	w.optionalStrings("origins", c.Origins)
	w.close()
}

func (w *writer) extensions(e *Extensions) {
	w.open()
	w.optionalFlag("basicConstraints", e.BasicConstraints)
	w.optionalFlag("ca", e.CA)
	w.numberPtr("pathLen", e.PathLen)
	w.optionalFlag("keyUsagePresent", e.KeyUsagePresent)
	w.optionalStrings("keyUsage", e.KeyUsage)
	w.optionalStrings("extKeyUsage", e.ExtKeyUsage)
	w.optionalFlag("extKeyUsageCritical", e.ExtKeyUsageCritical)
	w.optionalBytes("subjectKeyId", e.SubjectKeyID)
	w.optionalBytes("authorityKeyId", e.AuthorityKeyID)
	w.optionalStrings("policies", e.Policies)
	w.optionalStrings("ocsp", e.OCSP)
	w.optionalStrings("caIssuers", e.CAIssuers)
	w.optionalStrings("crl", e.CRL)
	w.optionalStrings("freshestCrl", e.FreshestCRL)
	w.optionalFlag("ocspNoCheck", e.OCSPNoCheck)
	w.optionalFlag("noRevAvail", e.NoRevAvail)
	w.optionalFlag("shortTerm", e.ShortTerm)
	w.optionalFlag("nameConstraints", e.NameConstraints)
	w.optionalFlag("nameConstraintsOk", e.NameConstraintsOK)
	w.numberPtr("requireExplicit", e.RequireExplicit)
	w.flagPtr("policyTreeOk", e.PolicyTreeOK)
	w.optionalStrings("critical", e.Critical)
	w.optionalStrings("all", e.All)
	w.key("qc")
	w.qc(&e.QC)
	w.close()
}

func (w *writer) qc(q *QC) {
	w.open()
	w.optionalFlag("compliance", q.Compliance)
	w.optionalFlag("ua", q.UA)
	w.optionalFlag("sscd", q.SSCD)
	w.optionalStrings("types", q.Types)
	w.optionalStrings("countries", q.Countries)
	w.optionalStrings("statements", q.Statements)
	w.close()
}

func (w *writer) certificateInfo(i *CertificateInfo) {
	w.open()
	w.text("revocation", i.Revocation)
	w.text("status", i.Status)
	w.timePtr("revokedAt", i.RevokedAt)
	w.optional("reason", i.Reason)
	w.close()
}

func (w *writer) revocation(r *Revocation) {
	w.open()
	w.text("id", r.ID)
	w.text("kind", r.Kind)
	w.text("origin", r.Origin)
	w.optional("source", r.Source)
	w.time("producedAt", r.ProducedAt)
	w.timePtr("thisUpdate", r.ThisUpdate)
	w.timePtr("nextUpdate", r.NextUpdate)
	w.algorithm("algorithm", &r.Algorithm)
	w.text("signatureValue", string(r.SignatureValue))
	w.optional("signer", r.Signer)
	w.optionalStrings("chain", r.Chain)
	w.flag("authorised", r.Authorised)
	w.flag("responderMatch", r.ResponderMatch)
	w.problems("problems", r.Problems)
	w.timePtr("expiredCerts", r.ExpiredCerts)
	w.timePtr("archiveCutOff", r.ArchiveCutOff)
	w.flagPtr("certHash", r.CertHash)
	w.optional("base", r.Base)
	w.close()
}
