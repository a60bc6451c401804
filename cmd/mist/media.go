package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"mist/portal"
	"mist/registry"
	"mist/registry/contract"
	"mist/registry/intake"
	"mist/registry/job"
	"mist/registry/media"
	"mist/registry/postgres"
	"mist/registry/sealing"
)

// MediaConfig says where documents rest: a folder, or a bucket of an
// S3-compatible store. Either way they are sealed before they get there.
type MediaConfig struct {
	Dir string   `yaml:"dir,omitempty"`
	S3  S3Config `yaml:"s3,omitempty"`
}

// S3Config names a bucket; the keys stand in files.
type S3Config struct {
	Endpoint      string `yaml:"endpoint,omitempty"` // URL of scheme and host
	Region        string `yaml:"region,omitempty"`
	Bucket        string `yaml:"bucket,omitempty"`
	AccessKeyFile string `yaml:"access_key_file,omitempty"`
	SecretKeyFile string `yaml:"secret_key_file,omitempty"`
}

func (c MediaConfig) check(add func(format string, args ...any)) {
	if (c.Dir == "") == (c.S3 == S3Config{}) {
		add("media: give dir or s3, one of them")
		return
	}
	if c.Dir != "" {
		return
	}
	u, err := url.Parse(c.S3.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
		add("media.s3.endpoint must be an https address, or http on a loopback address")
	}
	if c.S3.Bucket == "" || c.S3.AccessKeyFile == "" || c.S3.SecretKeyFile == "" {
		add("media.s3: bucket, access_key_file and secret_key_file are needed")
	}
}

// openMedia opens the store of documents.
func openMedia(ctx context.Context, cfg Config, ring *sealing.Keyring) (*media.Store, error) {
	if cfg.Media.Dir != "" {
		files, err := media.OpenFiles(cfg.Media.Dir)
		if err != nil {
			return nil, err
		}
		return media.New(files, ring)
	}
	c := cfg.Media.S3
	sandboxed := cfg.Profile == profileSandbox
	access, err := readKeyFile(c.AccessKeyFile, sandboxed)
	if err != nil {
		return nil, err
	}
	secret, err := readKeyFile(c.SecretKeyFile, sandboxed)
	if err != nil {
		return nil, err
	}
	s3, err := media.OpenS3(ctx, media.S3Config{Endpoint: c.Endpoint, Region: c.Region, Bucket: c.Bucket, AccessKey: access, SecretKey: secret})
	if err != nil {
		return nil, err
	}
	return media.New(s3, ring)
}

// documents is what serves scans.
type documents struct {
	media   *media.Store
	service *intake.Documents
	desk    *contract.Desk // of contracts
	links   *media.Links
}

func (s *server) newDocuments(ctx context.Context, ring *sealing.Keyring, key []byte) (d documents, err error) {
	if d.media, err = openMedia(ctx, s.cfg, ring); err != nil {
		return d, err
	}
	d.media.Opened = s.store.NoteOpened
	if d.service, err = intake.NewDocuments(postgres.NewPort[intake.DocumentsTx](s.store).Everywhere(), d.media, s.source); err != nil {
		return d, err
	}
	if d.desk, err = contract.NewDesk(postgres.NewPort[contract.DocumentsTx](s.store).Everywhere(), d.media, s.source); err != nil {
		return d, err
	}
	d.links, err = media.NewLinks(key, s.source.Clock)
	return d, err
}

// jobs of documents.
func (d documents) jobs(every time.Duration) []job.Periodic {
	return []job.Periodic{{Kind: "erase_documents", Every: every, Run: d.service.Erase}, d.desk.Job(every)}
}

// serve puts documents behind REST.
func (d documents) serve(c portal.Config) portal.Config {
	c.Documents, c.DocumentLinks = desks{d.service, d.desk}, d.links
	return c
}

// desks are the places documents are kept at, one after the other: a link names
// a document by its id and nothing else.
type desks []portal.Documents

// Receive implements portal.Documents.
func (list desks) Receive(ctx context.Context, c registry.Caller, id registry.ID, b []byte) (err error) {
	for _, d := range list {
		if err = d.Receive(ctx, c, id, b); registry.CodeOf(err) != registry.CodeNotFound {
			return err
		}
	}
	return err
}

// Give implements portal.Documents.
func (list desks) Give(ctx context.Context, c registry.Caller, id registry.ID) (b []byte, doc intake.Document, err error) {
	for _, d := range list {
		if b, doc, err = d.Give(ctx, c, id); registry.CodeOf(err) != registry.CodeNotFound {
			return b, doc, err
		}
	}
	return b, doc, err
}

// resealMedia walks the documents that drafts refer to and seals again what is
// under an earlier data key.
func (op *operator) resealMedia(e env) error {
	store, err := openMedia(e.ctx, op.cfg, op.ring)
	if err != nil {
		return err
	}
	looked, done := 0, 0
	bar := newProgress(e.stderr, mediaStore)
	defer bar.end()
	for after, more := (registry.Digest{}), true; more; {
		var list []registry.Digest
		err := op.store.View(e.ctx, func(ctx context.Context, tx *postgres.Tx) (err error) {
			list, err = tx.DocumentDigests(ctx, after, 500)
			return err
		})
		if err != nil {
			return err
		}
		for _, digest := range list {
			changed, err := store.Reseal(e.ctx, digest)
			if err != nil {
				return fmt.Errorf("sealing document %x again: %w (mist keys reseal goes on)", digest[:4], err)
			}
			looked++
			if changed {
				done++
			}
			after = digest
		}
		bar.show(done, max(done, looked))
		more = len(list) == 500
	}
	fmt.Fprintf(e.stdout, "%s: %d of %d documents sealed again under data key %d\n", mediaStore, done, looked, op.store.SealingKey())
	return nil
}

// mediaStore names the store of documents among the tables of mist keys reseal.
const mediaStore = "documents"
