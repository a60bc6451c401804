package media

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// S3Config names a bucket of an S3-compatible store. The bucket must exist.
type S3Config struct {
	Endpoint  string // URL; https unless the store is on loopback
	Region    string
	Bucket    string
	AccessKey string
	SecretKey string
	Transport http.RoundTripper // nil is the default
}

// S3 is a [Storage] in a bucket.
type S3 struct {
	client *minio.Client
	bucket string
}

// OpenS3 connects and demands that the bucket exists.
func OpenS3(ctx context.Context, c S3Config) (*S3, error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.Path != "" && u.Path != "/" {
		return nil, errors.New("opening the S3 store: endpoint must be a URL of scheme and host")
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds: credentials.NewStaticV4(c.AccessKey, c.SecretKey, ""), Secure: u.Scheme == "https", Region: c.Region, Transport: c.Transport,
		BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the S3 store: %w", err)
	}
	there, err := client.BucketExists(ctx, c.Bucket)
	if err != nil {
		return nil, fmt.Errorf("opening the S3 store: %w", err)
	}
	if !there {
		return nil, fmt.Errorf("opening the S3 store: there is no bucket %s; make it, with versions and a backup as your rules demand", c.Bucket)
	}
	return &S3{client, c.Bucket}, nil
}

// Put implements Storage: an object appears whole or not at all.
func (s *S3) Put(ctx context.Context, name string, b []byte) error {
	if !isName(name) {
		return errors.New("media: not a document's name")
	}
	_, err := s.client.PutObject(ctx, s.bucket, name, bytes.NewReader(b), int64(len(b)), minio.PutObjectOptions{
		ContentType: "application/octet-stream", SendContentMd5: true, DisableMultipart: true,
	})
	return err
}

// Get implements Storage.
func (s *S3) Get(ctx context.Context, name string, limit int64) ([]byte, error) {
	if !isName(name) {
		return nil, errors.New("media: not a document's name")
	}
	o, err := s.client.GetObject(ctx, s.bucket, name, minio.GetObjectOptions{})
	if err != nil {
		return nil, missing(err)
	}
	defer o.Close()
	b, err := readLimited(o, limit)
	return b, missing(err)
}

// Has implements Storage.
func (s *S3) Has(ctx context.Context, name string) (bool, error) {
	if !isName(name) {
		return false, errors.New("media: not a document's name")
	}
	_, err := s.client.StatObject(ctx, s.bucket, name, minio.StatObjectOptions{})
	if err = missing(err); errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Delete implements Storage. In a bucket with versions the operator's rules say
// when earlier versions go.
func (s *S3) Delete(ctx context.Context, name string) error {
	if !isName(name) {
		return errors.New("media: not a document's name")
	}
	if err := missing(s.client.RemoveObject(ctx, s.bucket, name, minio.RemoveObjectOptions{})); !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}

func missing(err error) error {
	if err != nil && minio.ToErrorResponse(err).StatusCode == http.StatusNotFound {
		return ErrNotFound
	}
	return err
}
