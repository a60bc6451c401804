package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"mist/signature/sign"
)

type signCommand struct {
	Key      string `required:"" type:"existingfile" help:"Private key: PKCS#8, PEM or DER, unencrypted."`
	Cert     string `required:"" type:"existingfile" help:"Signer's certificate: PEM or DER."`
	TSA      string `name:"tsa" help:"Address of a time-stamping authority; the signature becomes CAdES-T."`
	Detached bool   `help:"Leave the content out of the container."`
	In       string `arg:"" type:"existingfile" help:"File to sign."`
	Out      string `arg:"" help:"File of the container (.p7s)."`
}

// Run implements the command.
func (c *signCommand) Run(e env) error {
	usage := func(err error) error { return &failure{exitUsage, err} }
	kb, err := os.ReadFile(c.Key)
	if err != nil {
		return usage(err)
	}
	key, err := sign.ParseKey(kb)
	if err != nil {
		return usage(fmt.Errorf("%s: %w", c.Key, err))
	}
	cb, err := os.ReadFile(c.Cert)
	if err != nil {
		return usage(err)
	}
	certificate, err := parseCertificate(cb)
	if err != nil {
		return usage(fmt.Errorf("%s: %w", c.Cert, err))
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
	container, err := sign.CAdES(e.ctx, sign.Signer{Key: key, Certificate: certificate.Raw}, io.NewSectionReader(content, 0, info.Size()), o)
	if err != nil {
		return err
	}
	return writeFile(c.Out, container, 0o644)
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
