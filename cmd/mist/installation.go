package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"mist/registry"
	"mist/registry/dictionary"
	"mist/registry/installation"
	"mist/registry/postgres"
	"mist/registry/prm"
	"mist/signature"
)

type adminCommand struct {
	LegalEntity adminLegalEntity `cmd:"" name:"legal-entity" help:"Make a legal entity of a type that does not register itself (NHS, MIS …); its id is printed."`
	Client      adminClient      `cmd:"" help:"Client systems: make one, give it another secret, block it."`
	Employee    adminEmployee    `cmd:"" help:"Make an employee of any type by an order that a second person has signed."`
}

type adminFlags struct {
	Config string `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
}

// open gives the room as an operator has it.
func (f adminFlags) open(e env) (*installation.Service, func(), error) {
	op, err := openOperator(e, f.Config, 3)
	if err != nil {
		return nil, nil, err
	}
	service, err := func() (*installation.Service, error) {
		source := registry.SystemSource()
		policies, err := signature.ParsePolicyTable(policyTable)
		if err != nil {
			return nil, err
		}
		trusted, err := openTrust(e.ctx, op.cfg, quietLogger(e), source.Clock)
		if err != nil {
			return nil, err
		}
		verifier, err := trusted.verifier()
		if err != nil {
			return nil, err
		}
		dictionaries, err := dictionary.New(postgres.NewPort[dictionary.Tx](op.store), source)
		if err != nil {
			return nil, err
		}
		return installation.New(installation.Config{Store: postgres.NewPort[installation.Tx](op.store), Source: source, Verifier: verifier, Policies: policies,
			Lists: func(ctx context.Context) (prm.Lists, error) { return dictionaries.Snapshot(ctx) }})
	}()
	if err != nil {
		op.close()
		return nil, nil, err
	}
	return service, op.close, nil
}

type adminLegalEntity struct {
	adminFlags `embed:""`
	Type       string `required:"" help:"NHS, MIS or another type that does not register itself."`
	EDRPOU     string `required:"" name:"edrpou" help:"ЄДРПОУ."`
	Email      string `required:"" help:"Address for letters."`
	Name       string `arg:"" help:"Full name."`
}

// Run implements the command.
func (c *adminLegalEntity) Run(e env) error {
	service, done, err := c.open(e)
	if err != nil {
		return err
	}
	defer done()
	l, err := service.AddLegalEntity(e.ctx, installation.LegalEntityInput{Name: c.Name, Type: c.Type, Email: c.Email, EDRPOU: registry.EDRPOU(c.EDRPOU)})
	if err != nil {
		return refusedByRules(err)
	}
	fmt.Fprintln(e.stdout, l.ID)
	return nil
}

type adminClient struct {
	Create  adminClientCreate `cmd:"" help:"Make a client system: id and secret are printed, the secret this once."`
	Secret  adminClientSecret `cmd:"" help:"Give a client another secret; the former one and all its tokens are void at once."`
	Block   adminClientBlock  `cmd:"" help:"Block a client: its tokens end, it gets no new ones."`
	Unblock adminClientOpen   `cmd:"" help:"Let a blocked client ask again."`
}

type adminClientCreate struct {
	adminFlags       `embed:""`
	Type             string   `required:"" help:"MIS, NHS, AUDITOR, OPERATOR, CABINET or PIS."`
	LegalEntity      string   `help:"Id of the legal entity it works for (MIS, NHS)."`
	Scope            []string `help:"Scopes, several by commas; all that its type may have if absent."`
	RedirectURI      []string `name:"redirect-uri" help:"Where a browser goes on after a login."`
	Public           bool     `help:"It keeps no secret: a program on a person's own device."`
	CertificateBound bool     `help:"Its tokens are bound to the certificate of the connection (RFC 8705)."`
	Name             string   `arg:"" help:"Name."`
}

// Run implements the command.
func (c *adminClientCreate) Run(e env) error {
	in := installation.ClientInput{Name: c.Name, Type: c.Type, Scopes: c.Scope, RedirectURIs: c.RedirectURI, Public: c.Public, CertificateBound: c.CertificateBound}
	if c.LegalEntity != "" {
		var err error
		if in.LegalEntityID, err = registry.ParseID(c.LegalEntity); err != nil {
			return &failure{exitUsage, fmt.Errorf("--legal-entity: %w", err)}
		}
	}
	service, done, err := c.open(e)
	if err != nil {
		return err
	}
	defer done()
	client, secret, err := service.AddClient(e.ctx, in)
	if err != nil {
		return refusedByRules(err)
	}
	fmt.Fprintln(e.stderr, "the secret is shown now and never again:")
	fmt.Fprintf(e.stdout, "client_id %s\nclient_secret %s\n", client.ID, secret)
	return nil
}

type adminClientFlags struct {
	adminFlags `embed:""`
	ID         string `arg:"" help:"Id of the client."`
}

func (c adminClientFlags) do(e env, f func(s *installation.Service, id registry.ID) error) error {
	id, err := registry.ParseID(c.ID)
	if err != nil {
		return &failure{exitUsage, fmt.Errorf("the client's id: %w", err)}
	}
	service, done, err := c.open(e)
	if err != nil {
		return err
	}
	defer done()
	return refusedIfAny(f(service, id))
}

type adminClientSecret struct {
	adminClientFlags `embed:""`
}

// Run implements the command.
func (c *adminClientSecret) Run(e env) error {
	return c.do(e, func(s *installation.Service, id registry.ID) error {
		secret, err := s.RenewSecret(e.ctx, id)
		if err == nil {
			fmt.Fprintf(e.stdout, "client_secret %s\n", secret)
		}
		return err
	})
}

type adminClientBlock struct {
	adminClientFlags `embed:""`
}

// Run implements the command.
func (c *adminClientBlock) Run(e env) error {
	return c.do(e, func(s *installation.Service, id registry.ID) error { return s.Block(e.ctx, id, true) })
}

type adminClientOpen struct {
	adminClientFlags `embed:""`
}

// Run implements the command.
func (c *adminClientOpen) Run(e env) error {
	return c.do(e, func(s *installation.Service, id registry.ID) error { return s.Block(e.ctx, id, false) })
}

type adminEmployee struct {
	adminFlags `embed:""`
	Order      string `arg:"" type:"existingfile" help:"The order, signed (CAdES, content inside): legal_entity_id, employee_type, position, start_date, party, reason, agreed_by."`
}

// maxOrder bounds a signed order.
const maxOrder = 4 << 20

// Run implements the command.
func (c *adminEmployee) Run(e env) error {
	f, err := os.Open(c.Order)
	if err != nil {
		return &failure{exitUsage, fmt.Errorf("reading the order: %w", err)}
	}
	container, err := io.ReadAll(io.LimitReader(f, maxOrder+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("reading the order: %w", err)
	}
	if len(container) > maxOrder {
		return &failure{exitUsage, fmt.Errorf("the order is larger than %d bytes", maxOrder)}
	}
	service, done, err := c.open(e)
	if err != nil {
		return err
	}
	defer done()
	employee, receipt, err := service.Employ(e.ctx, container)
	if err != nil {
		return refusedByRules(err)
	}
	fmt.Fprintf(e.stdout, "employee_id %s\nentry_id %s\n", employee.ID, receipt.EntryID)
	return nil
}
