package main

import (
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"mist/registry"
	"mist/signature/gost34311"
	"mist/soap"
	"mist/soap/xroad"
)

// xroadCallCommand sends one message: to try a provider's service, its list of clients and the certificates between the
// information system and its security server before anything depends on them.
type xroadCallCommand struct {
	URL     string        `name:"url" required:"" help:"Address of our security server for information systems."`
	Client  string        `required:"" help:"Who we are: INSTANCE/CLASS/MEMBER/SUBSYSTEM."`
	Service string        `required:"" help:"Whom we ask: INSTANCE/CLASS/MEMBER/SUBSYSTEM/CODE[/VERSION]."`
	Body    string        `arg:"" type:"existingfile" help:"File with the body: one element with the namespace declarations it needs."`
	ID      string        `name:"id" help:"Message id; a new one when absent. A repetition keeps its id."`
	UserID  string        `name:"user-id" help:"X-Road userId; Trembita wants one."`
	Issue   string        `help:"X-Road issue."`
	SOAP12  bool          `name:"soap12" help:"SOAP 1.2; some services of Trembita speak nothing else."`
	Cert    string        `type:"existingfile" help:"Our certificate towards the security server, PEM."`
	Key     string        `type:"existingfile" help:"Its key, PEM."`
	Pin     []string      `help:"SHA-256 of the security server's certificate, hexadecimal; several for a rollover. With it the connection is TLS."`
	Timeout time.Duration `default:"60s" help:"Patience for the whole call."`
	Tries   int           `default:"1" help:"How often to ask when the trouble may pass; the message id stays."`
}

// Run implements the command.
func (c *xroadCallCommand) Run(e env) error {
	call := xroad.Call{ID: c.ID}
	client, err := xroad.ParseClientID(c.Client)
	if err != nil {
		return &failure{exitUsage, fmt.Errorf("--client: %w", err)}
	}
	if call.Service, err = xroad.ParseServiceID(c.Service); err != nil {
		return &failure{exitUsage, fmt.Errorf("--service: %w", err)}
	}
	if call.Body, err = os.ReadFile(c.Body); err != nil {
		return &failure{exitUsage, err}
	}
	if c.UserID != "" {
		call.UserID = xroad.Value{Text: c.UserID, Set: true}
	}
	if c.Issue != "" {
		call.Issue = xroad.Value{Text: c.Issue, Set: true}
	}
	if c.SOAP12 {
		call.Version = soap.V12
	}
	secure, err := c.tls()
	if err != nil {
		return &failure{exitUsage, err}
	}
	wire, err := soap.NewClient(c.Timeout, secure)
	if err != nil {
		return &failure{exitUsage, err}
	}
	source := registry.SystemSource()
	if call.ID == "" {
		call.ID = source.NewID().String()
	}
	caller := &xroad.Caller{URL: c.URL, Client: client, SOAP: wire, Hashes: map[string]func([]byte) []byte{
		xroad.AlgorithmGOST34311: func(b []byte) []byte { sum := gost34311.Sum256(b); return sum[:] },
	}}
	var answer *xroad.Answer
	for try := 1; ; try++ {
		answer, err = caller.Do(e.ctx, call)
		if err == nil || try >= c.Tries || !xroad.Temporary(err) {
			break
		}
		fmt.Fprintf(e.stderr, "try %d: %v\n", try, err)
		select {
		case <-e.ctx.Done():
			return e.ctx.Err()
		case <-time.After(time.Duration(try) * time.Second):
		}
	}
	if err != nil {
		return &failure{exitFail, fmt.Errorf("message %s: %w", call.ID, err)}
	}
	defer answer.Close()
	fmt.Fprintf(e.stderr, "message %s answered; requestHash checked: %t; %d attachments\n", call.ID, answer.HashChecked, len(answer.Attachments))
	_, err = fmt.Fprintf(e.stdout, "%s\n", answer.Payload.Standalone())
	return err
}

func (c *xroadCallCommand) tls() (*soap.ClientTLS, error) {
	if len(c.Pin) == 0 {
		if c.Cert != "" || c.Key != "" || strings.HasPrefix(c.URL, "https:") {
			return nil, errors.New("TLS needs --pin, the digest of the security server's own certificate")
		}
		return nil, nil
	}
	t := &soap.ClientTLS{}
	for _, text := range c.Pin {
		b, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
		if err != nil || len(b) != 32 {
			return nil, errors.New("--pin: a SHA-256 digest in hexadecimal is expected")
		}
		t.PinnedServers = append(t.PinnedServers, [32]byte(b))
	}
	if (c.Cert == "") != (c.Key == "") {
		return nil, errors.New("--cert and --key go together")
	}
	t.Certificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if c.Cert == "" {
			return &tls.Certificate{}, nil
		}
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("reading our certificate: %w", err)
		}
		return &pair, nil
	}
	return t, nil
}
