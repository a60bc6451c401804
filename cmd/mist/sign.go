package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mist/signature/cert"
	"mist/signature/sign"
)

type signCommand struct {
	Key          string `required:"" type:"existingfile" help:"Private key: PKCS#8, PEM or DER, or a container with a password (PKCS#12, Key-6.dat, JKS, encrypted PKCS#8)."`
	PasswordFile string `type:"existingfile" help:"File with the container's password, one line. Or the environment variable MIST_KEY_PASSWORD."`
	Cert         string `type:"existingfile" help:"Signer's certificate: PEM or DER. May be left out when the container holds it."`
	TSA          string `name:"tsa" help:"Address of a time-stamping authority; the signature becomes CAdES-T."`
	Detached     bool   `help:"Leave the content out of the container."`
	Format       string `enum:"cades,xades,asic" default:"cades" help:"cades (.p7s), xades (the signature stands inside the XML document) or asic (ASiC-E with CAdES)."`
	In           string `arg:"" type:"existingfile" help:"File to sign."`
	Out          string `arg:"" help:"File of the container (.p7s)."`
}

// signer finds key and certificate that belong together.
func (c *signCommand) signer(password string) (sign.Signer, error) {
	var none sign.Signer
	kb, err := os.ReadFile(c.Key)
	if err != nil {
		return none, err
	}
	var keys []*sign.Key
	var certificates [][]byte
	if password != "" {
		if keys, certificates, err = sign.OpenContainer(kb, password); err != nil {
			return none, fmt.Errorf("%s: %w", c.Key, err)
		}
	} else {
		key, err := sign.ParseKey(kb)
		if err != nil {
			return none, fmt.Errorf("%s: %w (a container wants its password: --password-file or MIST_KEY_PASSWORD)", c.Key, err)
		}
		keys = []*sign.Key{key}
	}
	if c.Cert != "" {
		cb, err := os.ReadFile(c.Cert)
		if err != nil {
			return none, err
		}
		if block, _ := pem.Decode(cb); block != nil {
			cb = block.Bytes
		}
		certificates = [][]byte{cb}
	}
	if len(certificates) == 0 {
		return none, fmt.Errorf("%s holds no certificate: give it with --cert", c.Key)
	}
	for _, der := range certificates {
		x, err := cert.Parse(der)
		if err != nil {
			if c.Cert != "" {
				return none, fmt.Errorf("%s: %w", c.Cert, err)
			}
			continue
		}
		for _, k := range keys {
			if k.Fits(x, rand.Reader) == nil {
				return sign.Signer{Key: k, Certificate: x.Raw}, nil
			}
		}
	}
	return none, fmt.Errorf("no private key of %s belongs to the certificate", c.Key)
}

// password is taken from a file or the environment, never from an argument,
// which every process of the machine could read.
func (c *signCommand) password() (string, error) {
	if c.PasswordFile == "" {
		return os.Getenv("MIST_KEY_PASSWORD"), nil
	}
	b, err := os.ReadFile(c.PasswordFile)
	return strings.TrimRight(string(b), "\r\n"), err
}

// Run implements the command.
func (c *signCommand) Run(e env) error {
	usage := func(err error) error { return &failure{exitUsage, err} }
	password, err := c.password()
	if err != nil {
		return usage(err)
	}
	signer, err := c.signer(password)
	if err != nil {
		return usage(err)
	}
	content, err := os.Open(c.In)
	if err != nil {
		return usage(err)
	}
	defer content.Close()
	info, err := content.Stat()
	if err != nil {
		return err
	}
	o := sign.Options{Detached: c.Detached, Time: time.Now()}
	if c.TSA != "" {
		o.TSA = tsaClient(c.TSA)
	}
	container, err := c.sign(e.ctx, signer, io.NewSectionReader(content, 0, info.Size()), o)
	if err != nil {
		return err
	}
	return writeFile(c.Out, container, 0o644)
}

func (c *signCommand) sign(ctx context.Context, signer sign.Signer, content *io.SectionReader, o sign.Options) ([]byte, error) {
	switch c.Format {
	case "xades":
		document, err := io.ReadAll(content)
		if err != nil {
			return nil, err
		}
		return sign.XAdESEnveloped(ctx, signer, document, sign.XAdESOptions{Options: o})
	case "asic":
		var out bytes.Buffer
		err := sign.ASiC(ctx, &out, signer, sign.ASiCOptions{Extended: true, XAdESOptions: sign.XAdESOptions{Options: o}},
			sign.DataObject{Name: filepath.Base(c.In), Content: content})
		return out.Bytes(), err
	}
	return sign.CAdES(ctx, signer, content, o)
}

// maxStampAnswer bounds a TSA's answer, in bytes.
const maxStampAnswer = 256 << 10

// tsaClient asks a TSA over HTTP (RFC 3161, 3.4).
func tsaClient(url string) sign.TSA {
	client := &http.Client{Timeout: 20 * time.Second}
	return func(ctx context.Context, request []byte) ([]byte, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(request))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", "application/timestamp-query")
		resp, err := client.Do(r)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("the authority answers %s", resp.Status)
		}
		return io.ReadAll(io.LimitReader(resp.Body, maxStampAnswer))
	}
}
