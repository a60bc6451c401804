package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"net/url"
	"os"
	"strings"
	"time"

	"mist/registry/job"
	"mist/registry/notify"
)

// NotifyConfig names the gateways. A channel without one keeps its messages as
// dead jobs until there is one.
type NotifyConfig struct {
	SMS   SMSConfig   `yaml:"sms,omitempty"`
	EMail EMailConfig `yaml:"email,omitempty"`
	// Keepers are told of alarms: telephone numbers and e-mail addresses of a duty.
	Keepers []string `yaml:"keepers,omitempty"`
}

// SMSConfig is a gateway over HTTPS: POST {"id", "to", "text", "sender"} with
// Idempotency-Key; any 2xx means taken.
type SMSConfig struct {
	URL       string `yaml:"url,omitempty"`
	TokenFile string `yaml:"token_file,omitempty"` // Authorization: Bearer
	Sender    string `yaml:"sender,omitempty"`
}

// EMailConfig is an SMTP server with TLS (STARTTLS).
type EMailConfig struct {
	Server       string `yaml:"server,omitempty"` // host:port
	From         string `yaml:"from,omitempty"`
	User         string `yaml:"user,omitempty"`
	PasswordFile string `yaml:"password_file,omitempty"`
}

func (c NotifyConfig) check(add func(format string, args ...any)) {
	if c.SMS != (SMSConfig{}) {
		u, err := url.Parse(c.SMS.URL)
		if err != nil || u.Host == "" || u.Scheme != "https" && !isLoopback(u.Hostname()) {
			add("notify.sms.url must be an https address")
		}
	}
	if c.EMail != (EMailConfig{}) {
		if _, _, err := net.SplitHostPort(c.EMail.Server); err != nil {
			add("notify.email.server: %q is not host:port", c.EMail.Server)
		}
		if _, err := mail.ParseAddress(c.EMail.From); err != nil {
			add("notify.email.from is not an address")
		}
	}
}

func (c NotifyConfig) gateways() (map[notify.Channel]notify.Gateway, error) {
	out := map[notify.Channel]notify.Gateway{}
	if c.SMS != (SMSConfig{}) {
		token, err := secretText(c.SMS.TokenFile)
		if err != nil {
			return nil, err
		}
		out[notify.SMS] = &smsGateway{c.SMS.URL, token, c.SMS.Sender, &http.Client{Timeout: 20 * time.Second}}
	}
	if c.EMail != (EMailConfig{}) {
		password, err := secretText(c.EMail.PasswordFile)
		if err != nil {
			return nil, err
		}
		out[notify.EMail] = &mailGateway{c.EMail, password, nil}
	}
	return out, nil
}

func secretText(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading a gateway's secret: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

type smsGateway struct {
	url, token, sender string
	client             *http.Client
}

// Send implements notify.Gateway. Errors carry a status or the host, never the
// number: an address of *url.Error is the gateway's own.
func (g *smsGateway) Send(ctx context.Context, m notify.Message) error {
	body, err := json.Marshal(map[string]string{"id": m.ID.String(), "to": m.To, "text": m.Text, "sender": g.sender})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", m.ID.String())
	if g.token != "" {
		r.Header.Set("Authorization", "Bearer "+g.token)
	}
	answer, err := g.client.Do(r)
	if err != nil {
		return fmt.Errorf("asking the SMS gateway: %w", err)
	}
	defer answer.Body.Close()
	switch s := answer.StatusCode; {
	case s/100 == 2:
		return nil
	case s/100 == 4 && s != http.StatusRequestTimeout && s != http.StatusTooManyRequests && s != http.StatusUnauthorized && s != http.StatusForbidden:
		return job.Permanent(fmt.Errorf("the SMS gateway refused the message: %d", s))
	default:
		return fmt.Errorf("the SMS gateway answered %d", s)
	}
}

type mailGateway struct {
	config   EMailConfig
	password string
	roots    *tls.Config // of tests; nil: the system's
}

// Send implements notify.Gateway.
func (g *mailGateway) Send(ctx context.Context, m notify.Message) error {
	host, _, err := net.SplitHostPort(g.config.Server)
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", g.config.Server)
	if err != nil {
		return fmt.Errorf("reaching the mail server: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return mailError(err)
	}
	defer c.Close()
	if ok, _ := c.Extension("STARTTLS"); !ok {
		return errors.New("the mail server offers no TLS")
	}
	secure := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if g.roots != nil {
		secure.RootCAs = g.roots.RootCAs
	}
	if err := c.StartTLS(secure); err != nil {
		return mailError(err)
	}
	if g.config.User != "" {
		if err := c.Auth(smtp.PlainAuth("", g.config.User, g.password, host)); err != nil {
			return mailError(err)
		}
	}
	from, err := mail.ParseAddress(g.config.From)
	if err != nil {
		return err
	}
	if err := c.Mail(from.Address); err != nil {
		return mailError(err)
	}
	if err := c.Rcpt(m.To); err != nil {
		return mailError(err)
	}
	w, err := c.Data()
	if err != nil {
		return mailError(err)
	}
	if _, err := w.Write(letter(from, m)); err != nil {
		return mailError(err)
	}
	if err := w.Close(); err != nil {
		return mailError(err)
	}
	return c.Quit()
}

// letter is an RFC 5322 message; the address was checked to hold no line break.
func letter(from *mail.Address, m notify.Message) []byte {
	text := base64.StdEncoding.EncodeToString([]byte(m.Text + "\r\n"))
	var b strings.Builder
	for _, h := range [][2]string{
		{"From", from.String()}, {"To", "<" + m.To + ">"}, {"Subject", mime.BEncoding.Encode("utf-8", m.Subject)},
		{"Date", time.Now().Format(time.RFC1123Z)}, {"Message-ID", "<" + m.ID.String() + "@" + from.Address[strings.LastIndexByte(from.Address, '@')+1:] + ">"},
		{"Auto-Submitted", "auto-generated"}, {"MIME-Version", "1.0"}, {"Content-Type", "text/plain; charset=utf-8"}, {"Content-Transfer-Encoding", "base64"},
	} {
		b.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	b.WriteString("\r\n")
	for len(text) > 0 {
		n := min(76, len(text))
		b.WriteString(text[:n] + "\r\n")
		text = text[n:]
	}
	return []byte(b.String())
}

// mailError keeps the reply's code and drops its text, which repeats addresses.
func mailError(err error) error {
	var reply *textproto.Error
	if errors.As(err, &reply) {
		if reply.Code/100 == 5 {
			return job.Permanent(fmt.Errorf("the mail server refused the message: %d", reply.Code))
		}
		return fmt.Errorf("the mail server answered %d", reply.Code)
	}
	return errors.New("the conversation with the mail server broke off")
}
