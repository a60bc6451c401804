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

	"github.com/prometheus/client_golang/prometheus"

	"mist/registry"
	"mist/registry/job"
	"mist/registry/notify"
)

// NotifyConfig names the gateways. A channel without one keeps its messages as
// dead jobs until there is one.
type NotifyConfig struct {
	SMS   SMSConfig   `yaml:"sms,omitempty"`
	EMail EMailConfig `yaml:"email,omitempty"`
	// SMSOthers and EMailOthers are asked in their order when the first does not
	// take a message.
	SMSOthers   []SMSConfig   `yaml:"sms_others,omitempty"`
	EMailOthers []EMailConfig `yaml:"email_others,omitempty"`
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

// ways are the gateways of each channel, the first one first, under the names
// of their places in the configuration.
func (c NotifyConfig) ways() (sms map[string]SMSConfig, email map[string]EMailConfig, order []string) {
	sms, email = map[string]SMSConfig{}, map[string]EMailConfig{}
	for i, one := range append([]SMSConfig{c.SMS}, c.SMSOthers...) {
		if i > 0 || one != (SMSConfig{}) {
			name := fmt.Sprintf("sms_others.%d", i)
			if i == 0 {
				name = "sms"
			}
			sms[name], order = one, append(order, name)
		}
	}
	for i, one := range append([]EMailConfig{c.EMail}, c.EMailOthers...) {
		if i > 0 || one != (EMailConfig{}) {
			name := fmt.Sprintf("email_others.%d", i)
			if i == 0 {
				name = "email"
			}
			email[name], order = one, append(order, name)
		}
	}
	return sms, email, order
}

func (c NotifyConfig) check(add func(format string, args ...any)) {
	sms, email, order := c.ways()
	for _, name := range order {
		if one, ok := sms[name]; ok {
			u, err := url.Parse(one.URL)
			if err != nil || u.Host == "" || u.Scheme != "https" && !isLoopback(u.Hostname()) {
				add("notify.%s.url must be an https address", name)
			}
			continue
		}
		one := email[name]
		if _, _, err := net.SplitHostPort(one.Server); err != nil {
			add("notify.%s.server: %q is not host:port", name, one.Server)
		}
		if _, err := mail.ParseAddress(one.From); err != nil {
			add("notify.%s.from is not an address", name)
		}
	}
}

// gateways builds each channel's chain; done counts what each provider did.
func (c NotifyConfig) gateways(done func(provider string, err error)) (map[notify.Channel]notify.Gateway, error) {
	sms, email, order := c.ways()
	chains := map[notify.Channel][]notify.Provider{}
	for _, name := range order {
		if one, ok := sms[name]; ok {
			token, err := secretText(one.TokenFile)
			if err != nil {
				return nil, err
			}
			chains[notify.SMS] = append(chains[notify.SMS], notify.Provider{Name: name, Gateway: &smsGateway{one.URL, token, one.Sender, &http.Client{Timeout: 20 * time.Second, Transport: gatewayLines()}}})
			continue
		}
		one := email[name]
		password, err := secretText(one.PasswordFile)
		if err != nil {
			return nil, err
		}
		chains[notify.EMail] = append(chains[notify.EMail], notify.Provider{Name: name, Gateway: &mailGateway{one, password, nil}})
	}
	out := map[notify.Channel]notify.Gateway{}
	for channel, providers := range chains {
		chain, err := notify.NewChain(registry.SystemSource(), done, providers...)
		if err != nil {
			return nil, err
		}
		out[channel] = chain
	}
	return out, nil
}

// gatewayLines keeps as many connections to a gateway as messages go at a time:
// with the standard's two, most messages would open one of their own.
func gatewayLines() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 64
	return t
}

// countMessages makes a counter of what providers did.
func countMessages(to prometheus.Registerer) func(provider string, err error) {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mist_messages_total", Help: "Messages by provider: taken, refused for good, failed."}, []string{"provider", "outcome"})
	to.MustRegister(counter)
	return func(provider string, err error) {
		outcome := "taken"
		if job.IsPermanent(err) {
			outcome = "refused"
		} else if err != nil {
			outcome = "failed"
		}
		counter.WithLabelValues(provider, outcome).Inc()
	}
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
