//go:build interop

package media_test

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"

	"mist/registry/media"
)

// versitygw is a foreign S3 server, built from its module at this version.
const versitygw = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"

func TestS3(t *testing.T) {
	bin := t.TempDir()
	install := exec.Command("go", "install", versitygw)
	install.Env = append(os.Environ(), "GOBIN="+bin)
	install.Dir = bin // outside of this module
	out, err := install.CombinedOutput()
	require.NoError(t, err, string(out))

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	folder := t.TempDir()
	const access, secret = "mist-test", "not-a-secret-1"
	server := exec.Command(filepath.Join(bin, "versitygw"), "--access", access, "--secret", secret, "--port", address, "posix", "--nometa", folder)
	server.Env = append(os.Environ(), "HOME="+bin)
	require.NoError(t, server.Start())
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	require.Eventually(t, func() bool {
		answer, err := http.Get("http://" + address + "/")
		if err != nil {
			return false
		}
		return answer.Body.Close() == nil
	}, 20*time.Second, 50*time.Millisecond)

	c := media.S3Config{Endpoint: "http://" + address, Region: "us-east-1", Bucket: "media", AccessKey: access, SecretKey: secret}
	_, err = media.OpenS3(t.Context(), c)
	require.ErrorContains(t, err, "no bucket")
	client, err := minio.New(address, &minio.Options{Creds: credentials.NewStaticV4(access, secret, "")})
	require.NoError(t, err)
	require.NoError(t, client.MakeBucket(t.Context(), "media", minio.MakeBucketOptions{}))
	wrong := c
	wrong.SecretKey = "another"
	_, err = media.OpenS3(t.Context(), wrong)
	require.Error(t, err)
	wrong = c
	wrong.Endpoint = address
	_, err = media.OpenS3(t.Context(), wrong)
	require.ErrorContains(t, err, "endpoint must be a URL")

	s3, err := media.OpenS3(t.Context(), c)
	require.NoError(t, err)
	storageKeeps(t, s3)

	// The bucket's files hold nothing plain.
	files := 0
	require.NoError(t, filepath.Walk(folder, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		require.NotContains(t, string(b), "3278011533")
		files++
		return err
	}))
	require.GreaterOrEqual(t, files, 2)
}
